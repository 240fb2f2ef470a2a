#pragma once
// One plugin's .so, from the file to its checked list of modules.
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/elf_image.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab::plugin {

/// A plugin that is in memory, with its modules in the order of its sources; nothing is registered.
struct OpenedPlugin {
    LoadedPlugin about;
    std::vector<std::shared_ptr<const ModuleEntry>> modules;
    void (*shutdown)() = nullptr;
};

/// Device and inode: tells one file from another whatever its name.
using FileId = std::pair<dev_t, ino_t>;
FileId file_id(const std::string& path);

/// Throws ConfigError, whose text begins with `shown`, unless the file is a plugin for this host.
/// None of its code runs.
ElfImage check_plugin(const std::string& path, const std::string& shown);

/// Checks the file and its stamp, then loads it and checks what it registers. Throws ConfigError.
/// It stays in memory for ever, also after an error: objects may outlive any other moment. Messages
/// and LoadedPlugin::path have `shown` in place of the path.
OpenedPlugin open_plugin(const std::string& path, const std::string& shown);

/// "libmy.so (net.cpp:40)".
std::string origin_text(const std::string& path, const std::string& source, int line);

}  // namespace ailab::plugin
