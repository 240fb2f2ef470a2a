#include "plugin/describe_plugin.hpp"

#include <filesystem>

#include "ailab/registry.hpp"
#include "config/json_schema.hpp"
#include "plugin/stamp_check.hpp"

namespace fs = std::filesystem;

namespace ailab::plugin {
namespace {

Node text(const std::string& value) {
    return Node::string(value);
}

Node describe_option(const OptionField& field) {
    Node option = Node::map();
    option.set("name", text(field.rest ? "*" : field.name));
    option.set("type", text(field.schema.str()));
    option.set("doc", text(field.doc));
    const std::string bounds = field.bounds.str();
    if (!bounds.empty()) option.set("bounds", text(bounds));
    option.set("required", Node(field.required));
    if (!field.required && !field.rest) option.set("default", field.default_value);
    option.set("schema", json_schema(field));
    return option;
}

Node describe_fields(const std::vector<OptionField>& fields) {
    Node options = Node::list();
    for (const OptionField& field : fields) options.items().push_back(describe_option(field));
    return options;
}

Node describe_module(const ModuleEntry& entry, const CommonOptions& common_options) {
    Node module = Node::map();
    module.set("kind", text(entry.kind));
    module.set("name", text(entry.name));
    module.set("doc", text(entry.doc));
    if (!entry.role.empty()) module.set("role", text(entry.role));
    module.set("source", text(fs::path(entry.node->file).filename().string()));
    module.set("line", Node(int64_t{entry.node->line}));
    try {
        module.set("options", describe_fields(describe_options(*entry.node->make_options())));
    } catch (const std::exception& e) {
        throw ConfigError(concat("the options of ", entry.kind, " \"", entry.name, "\" from ",
                                 entry.origin, " cannot be listed: ", e.what()));
    }
    module.set("common_options", describe_fields(common_options(entry.kind)));
    return module;
}

}  // namespace

Node describe_plugin(const LoadedPlugin& about,
                     const std::vector<std::shared_ptr<const ModuleEntry>>& modules,
                     const CommonOptions& common_options) {
    // A plugin that was loaded has the host's stamp in all that matters.
    const Stamp& host = host_stamp();
    Node plugin = Node::map();
    plugin.set("plugin", text(about.name));
    plugin.set("version", text(about.version));
    plugin.set("doc", text(about.doc));
    plugin.set("file", text(fs::path(about.path).filename().string()));
    plugin.set("build_id", text(about.build_id));
    plugin.set("torch", text(stamp_text(host.torch)));
    plugin.set("abi", text(stamp_text(host.abi)));
    Node list = Node::list();
    for (const auto& entry : modules)
        list.items().push_back(describe_module(*entry, common_options));
    plugin.set("modules", std::move(list));
    return plugin;
}

}  // namespace ailab::plugin
