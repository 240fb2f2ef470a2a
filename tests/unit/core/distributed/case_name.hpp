#pragma once
#include <cctype>
#include <string>

namespace ailab::test {

/// The name of a row of a table: its number, and its text with what a test's name may hold.
inline std::string case_name(size_t index, const std::string& text) {
    std::string name = std::to_string(index);
    for (const char c : text) {
        if (name.size() > 60) break;
        if (std::isalnum(static_cast<unsigned char>(c)))
            name += c;
        else if (name.back() != '_')
            name += '_';
    }
    return name;
}

}  // namespace ailab::test
