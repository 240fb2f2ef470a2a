#pragma once
#include <memory>
#include <string>
#include <vector>

#include "plugin/plugin_host.hpp"

namespace ailab::plugin {

/// JSON of a loaded plugin: what it is, its modules and their options. Also the form of an index.
std::string describe_plugin(const LoadedPlugin& about,
                            const std::vector<std::shared_ptr<const ModuleEntry>>& modules);

}  // namespace ailab::plugin
