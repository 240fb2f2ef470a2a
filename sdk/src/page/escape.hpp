#pragma once
#include <string>

namespace ailab {

/// For the text and the attributes of HTML; valid UTF-8.
std::string escape_html(const std::string& text);
/// RFC 4648.
std::string base64(const std::string& bytes);
/// A number as people read it: four significant digits.
std::string readable(double number);

}  // namespace ailab
