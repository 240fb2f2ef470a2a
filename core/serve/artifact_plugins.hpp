#pragma once
// The plugins of an artifact are code that its maker chose. Which of them run is decided here.
#include <map>
#include <string>
#include <vector>

#include "ailab/predictor.hpp"
#include "served_spec.hpp"

namespace ailab {

/// The bytes of the plugins that are in an artifact, by their files' names.
using IncludedPlugins = std::map<std::string, at::Tensor>;

/// Throws Error, which begins with `path`, unless each plugin that the spec names is a plain file
/// name (no folders, no other spelling of another one), and the artifact holds plugins that its
/// spec names and no others.
void check_plugin_names(const std::string& path, const std::vector<ServedPlugin>& wanted,
                        const IncludedPlugins& included);

/// Loads options.plugins, then those that the model was exported with, exactly those builds: the
/// user's own (loaded already, in $AILAB_PLUGIN_PATH or of the installation), or what the artifact
/// brings, in it or beside it. The latter need options.trust_plugins, or options.public_key, by
/// which the caller has verified the artifact; one beside it is then checked by the digest that the
/// spec has of it. Nothing that the artifact brings runs before all of it is known to be trusted.
/// Throws ConfigError.
void load_plugins(const std::string& path, const std::vector<ServedPlugin>& wanted,
                  const IncludedPlugins& included, const PredictorOptions& options);

}  // namespace ailab
