#pragma once
#include <cstddef>
#include <string_view>

namespace ailab {

/// The first byte that no YAML text may hold: invalid UTF-8 or a control character; npos if none.
/// (yaml-cpp replaces the former without a word and takes \x04 for the end of the file.)
size_t find_bad_byte(std::string_view text);

/// Characters, not bytes.
size_t count_characters(std::string_view text);

}  // namespace ailab
