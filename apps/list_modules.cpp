#include "list_modules.hpp"

#include <algorithm>
#include <tuple>

#include "ailab/error.hpp"
#include "ailab/node.hpp"
#include "ailab/registry.hpp"
#include "config/formats.hpp"
#include "plugin/plugin_host.hpp"
#include "report/text_table.hpp"

namespace ailab::app {
namespace {

/// In the order in which a configuration is thought out.
const std::vector<std::string> kinds = {
    kind_name<Dataset>, kind_name<Transform>, kind_name<Sampler>,     kind_name<Model>,
    kind_name<Loss>,    kind_name<Optimizer>, kind_name<LrScheduler>, kind_name<Metric>,
    kind_name<Hook>,    kind_name<Backend>,   kind_name<Device>,      kind_name<ImageDecoder>};

void check_kind(const std::string& kind) {
    if (kind.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return;
    const std::string near = nearest_name(kind, kinds);
    throw ConfigError(concat("there is no kind \"", kind, "\" of modules.",
                             near.empty() ? "" : concat(" Did you mean ", near, "?"),
                             " Kinds: ", join(kinds), "."));
}

std::string table(const std::vector<ModuleEntry>& modules) {
    TextTable table({"kind", "name", "plugin", "what it is"});
    for (const ModuleEntry& entry : modules)
        table.add({entry.kind, entry.name, entry.plugin, entry.doc});
    return table.str();
}

std::string as_json(const std::vector<ModuleEntry>& modules) {
    Node list = Node::list();
    for (const ModuleEntry& entry : modules) {
        Node module = Node::map();
        module.set("kind", Node::string(entry.kind));
        module.set("name", Node::string(entry.name));
        module.set("doc", Node::string(entry.doc));
        module.set("plugin", Node::string(entry.plugin));
        module.set("origin", Node::string(entry.origin));
        list.items().push_back(std::move(module));
    }
    return to_json(list, 2) + "\n";
}

size_t kind_order(const ModuleEntry& entry) {
    return size_t(std::find(kinds.begin(), kinds.end(), entry.kind) - kinds.begin());
}

}  // namespace

std::string list_modules(const std::string& kind, bool json) {
    check_kind(kind);
    std::vector<ModuleEntry> modules = PluginHost::instance().list(kind);
    std::sort(modules.begin(), modules.end(), [](const ModuleEntry& a, const ModuleEntry& b) {
        return std::make_tuple(kind_order(a), a.name, a.plugin) <
               std::make_tuple(kind_order(b), b.name, b.plugin);
    });
    return json ? as_json(modules) : table(modules);
}

}  // namespace ailab::app
