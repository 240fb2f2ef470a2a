#pragma once
// Where plugins are looked for.
#include <string>
#include <vector>

namespace ailab::plugin {

/// `<prefix>/lib/ailab/plugins`, beside libailab_core.so: the built-in plugins.
std::string builtin_folder();
/// `<prefix>/lib/cmake/ailab`: what a plugin's build gives as ailab_DIR.
std::string cmake_package_folder();

/// The file that `name` means: a path (absolute, or relative to the current folder), or a file in
/// one of `folders` (the configuration's), of $AILAB_PLUGIN_PATH or of builtin_folder(). "my" also
/// finds libmy.so there. Throws ConfigError that lists every place tried.
std::string find_plugin_file(const std::string& name, const std::vector<std::string>& folders);

/// The files called `file` in the folders that the user and the installation have plugins in:
/// those of $AILAB_PLUGIN_PATH, and builtin_folder(). Not in the current folder.
std::vector<std::string> installed_plugin_files(const std::string& file);

}  // namespace ailab::plugin
