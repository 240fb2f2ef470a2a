#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Whether a file is an artifact of `ailab-run export`; it may be damaged.
AILAB_API bool is_artifact(const std::string& path);

/// Whether a tensor of an artifact is a plugin's bytes and no weight.
bool is_plugin_record(const std::string& name);

}  // namespace ailab
