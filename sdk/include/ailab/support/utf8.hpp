#pragma once
#include <string>
#include <string_view>

#include "ailab/export.hpp"

namespace ailab {

/// The text with U+FFFD in place of each byte that is no UTF-8: names of files need not be any, and
/// JSON, HTML and protobuf take nothing else.
AILAB_API std::string valid_utf8(std::string_view text);

}  // namespace ailab
