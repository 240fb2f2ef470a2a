#include <algorithm>
#include <tuple>

#include "ailab/error.hpp"
#include "ailab/node.hpp"
#include "ailab/registry.hpp"
#include "command.hpp"
#include "config/formats.hpp"
#include "plugin/plugin_host.hpp"
#include "report/text_table.hpp"

namespace ailab::app {
namespace {

/// In the order in which a configuration is thought out.
const std::vector<std::string> kinds = {
    kind_name<Dataset>, kind_name<Transform>,   kind_name<Sampler>,     kind_name<Model>,
    kind_name<Loss>,    kind_name<Optimizer>,   kind_name<LrScheduler>, kind_name<Metric>,
    kind_name<Hook>,    kind_name<ailab::Task>, kind_name<Exporter>,    kind_name<Backend>,
    kind_name<Device>,  kind_name<ImageDecoder>};

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

/// Registered ones and, from the indexes, those of the built-in plugins, by kind and name.
std::string list_modules(const std::string& kind, bool json) {
    check_kind(kind);
    std::vector<ModuleEntry> modules = PluginHost::instance().list(kind);
    std::sort(modules.begin(), modules.end(), [](const ModuleEntry& a, const ModuleEntry& b) {
        return std::make_tuple(kind_order(a), a.name, a.plugin) <
               std::make_tuple(kind_order(b), b.name, b.plugin);
    });
    return json ? as_json(modules) : table(modules);
}

Work read_list_modules(const CommandLine& line) {
    std::string kind = line.options.text("list-modules");
    const size_t room = kind.empty() ? 1 : 0;
    if (line.words.size() > room)
        throw ConfigError(concat("--list-modules takes one kind and no more: \"", line.words[room],
                                 "\" is too much.", see_help));
    if (!line.words.empty()) kind = line.words.front();
    return [kind, json = line.options.flag("json"), plugins = line.plugins] {
        load_plugins(plugins);
        return print(list_modules(kind, json));
    };
}

const Registration list_modules_command{
    {.name = "--list-modules",
     .place = 200,
     .usage = {{"[KIND]", "[--json] [--plugins FILES]"}},
     .options = {{.name = "list-modules",
                  .value = "[KIND]",
                  .doc = concat("what can stand at `type:`, with the plugin it comes from. KIND: ",
                                join(kinds)),
                  .takes = Option::Takes::a_value_or_nothing},
                 option::json},
     .read = read_list_modules}};

}  // namespace
}  // namespace ailab::app
