#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace ailab {

/// Columns that UTF-8 text takes in a terminal: two for a Chinese character, none for a combining
/// mark. A byte that is no UTF-8, and a control character, counts as one.
size_t text_width(std::string_view text);

/// The text as far as it fits into so many columns, fit to be drawn: what is no character is '?'.
std::string cut_text(std::string_view text, size_t columns);

}  // namespace ailab
