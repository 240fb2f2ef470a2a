#pragma once
#include <string>

namespace ailab {

/// Throws ConfigError for a command's output that exists, unless --force was given.
void check_output(const std::string& path, bool force);

}  // namespace ailab
