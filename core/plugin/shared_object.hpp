#pragma once
#include <string>

#include "ailab/registry.hpp"

namespace ailab::plugin {

/// Maps the library into this process, all its symbols resolved at once and visible to nobody else,
/// and returns its descriptor. It is never unmapped. Throws ConfigError with the loader's own
/// words, in which the path is what is `shown`. A static constructor that throws cannot be caught:
/// the process then ends with status 2 and a text that names the plugin.
const Descriptor& load_shared_object(const std::string& path, const std::string& shown);

}  // namespace ailab::plugin
