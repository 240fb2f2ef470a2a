#pragma once
#include <string>

namespace ailab::app {

/// The registered modules and, from the indexes, those of the built-in plugins, sorted by kind and
/// name: a table or JSON. `kind` is "" for all. Throws ConfigError for an unknown kind.
std::string list_modules(const std::string& kind, bool json);

}  // namespace ailab::app
