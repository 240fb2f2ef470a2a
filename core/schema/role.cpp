#include "role.hpp"

#include <algorithm>

#include "ailab/error.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

std::string qualified(const ModuleEntry& entry) {
    return entry.plugin + "/" + entry.name;
}

bool is_users(const ModuleEntry& entry) {
    const std::vector<LoadedPlugin> loaded = PluginHost::instance().loaded();
    return std::any_of(loaded.begin(), loaded.end(), [&](const LoadedPlugin& plugin) {
        return plugin.name == entry.plugin && !plugin.builtin;
    });
}

}  // namespace

std::string type_of_role(const std::string& kind, Role role) {
    std::string found;
    for (const ModuleEntry& entry : PluginHost::instance().list(kind)) {
        if (entry.role != role.name) continue;
        if (is_users(entry)) return qualified(entry);
        if (found.empty()) found = qualified(entry);
    }
    return found;
}

bool has_role(const std::string& kind, const std::string& type, Role role) {
    const std::vector<ModuleEntry> known = PluginHost::instance().list(kind);
    return std::any_of(known.begin(), known.end(), [&](const ModuleEntry& entry) {
        return entry.role == role.name && (entry.name == type || qualified(entry) == type);
    });
}

Node node_of_role(const std::string& kind, Role role) {
    const std::string type = type_of_role(kind, role);
    if (type.empty()) throw Error(no_module_of_role(kind, role));
    return node_of_type(type);
}

std::string no_module_of_role(const std::string& kind, Role role) {
    return concat("no plugin has a ", kind, " with the role \"", role.name,
                  "\": the built-in plugins are not all there. Build or install ailab again.");
}

}  // namespace ailab
