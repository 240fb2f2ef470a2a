#pragma once
#include <cstdlib>
#include <optional>
#include <string>

namespace ailab::dist {

/// A variable of the environment; one that is set but empty counts as not set.
inline std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) return std::nullopt;
    return value;
}

}  // namespace ailab::dist
