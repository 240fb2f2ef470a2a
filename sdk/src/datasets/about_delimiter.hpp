#pragma once
#include <string>
#include <vector>

namespace ailab {

/// What to do where a table was taken for one of a single column, since something else separates
/// its fields; "" where it does not look so.
inline std::string about_delimiter(const std::vector<std::string>& columns) {
    const size_t at = columns.size() == 1 ? columns[0].find_first_of(";\t|") : std::string::npos;
    if (at == std::string::npos) return "";
    const std::string found = columns[0][at] == '\t' ? "tab" : columns[0].substr(at, 1);
    return ". If fields are separated by \"" + found + "\", set delimiter: \"" + found + "\"";
}

}  // namespace ailab
