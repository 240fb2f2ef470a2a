#pragma once
#include <memory>
#include <string>
#include <vector>

#include "plugin/plugin_host.hpp"

namespace ailab::plugin {

/// A loaded plugin: what it is, its modules, their options, and beside them the keys that their
/// kind has in common. As JSON also the form of an index.
Node describe_plugin(const LoadedPlugin& about,
                     const std::vector<std::shared_ptr<const ModuleEntry>>& modules,
                     const CommonOptions& common_options);

}  // namespace ailab::plugin
