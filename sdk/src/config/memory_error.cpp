#include "memory_error.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string_view>

namespace ailab {

bool is_about_memory(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error) ||
        dynamic_cast<const std::length_error*>(&error))
        return true;
    // The first one: of an error that was put into other words.
    constexpr std::array<std::string_view, 7> words = {"std::bad_alloc",
                                                       "can't allocate memory",
                                                       "cannot allocate",
                                                       "out of memory",
                                                       "Storage size calculation overflowed",
                                                       "integer multiplication overflow",
                                                       "negative dimension"};
    const std::string_view text = error.what();
    return std::any_of(words.begin(), words.end(), [&](std::string_view part) {
        return text.find(part) != std::string_view::npos;
    });
}

}  // namespace ailab
