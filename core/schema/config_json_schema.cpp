#include "config_json_schema.hpp"

#include <map>
#include <utility>

#include "ailab/error.hpp"
#include "common_keys.hpp"
#include "config/formats.hpp"
#include "config/json_schema.hpp"
#include "plugin/plugin_host.hpp"
#include "run_config.hpp"

namespace ailab {
namespace {

/// A part that each description has. An index without it is of another build.
const Node& part(const Node& map, const char* key) {
    if (const Node* found = map.find(key)) return *found;
    throw Error(
        concat("the description of a plugin has no \"", key, "\". Build or install ailab again."));
}

/// A module that a plugin offers, as PluginHost::descriptions() has it.
struct Described {
    std::string kind, name, plugin;
    Node module;
};

std::vector<Described> described_modules() {
    std::vector<Described> found;
    for (const Node& plugin : PluginHost::instance().descriptions(describe_common_options))
        for (const Node& module : part(plugin, "modules").items())
            found.push_back({part(module, "kind").as_string(), part(module, "name").as_string(),
                             part(plugin, "plugin").as_string(), module});
    return found;
}

/// How many modules a name of a kind may mean.
using NameCounts = std::map<std::pair<std::string, std::string>, int>;

/// What stands at `type`: the name, if it is this module's alone, and the one with the plugin's.
Node type_names(const Described& module, const NameCounts& counts) {
    Node::List names;
    if (counts.at({module.kind, module.name}) == 1) names.push_back(Node::string(module.name));
    names.push_back(Node::string(module.plugin + "/" + module.name));
    Node type = Node::map();
    type.set("enum", Node::list(std::move(names)));
    return type;
}

Node module_schema(const Described& described, const NameCounts& counts) {
    Node properties = Node::map();
    properties.set("type", type_names(described, counts));
    Node::List required = {Node::string("type")};
    Node others(Node::Value(false));
    for (const char* list : {"options", "common_options"})
        for (const Node& option : part(described.module, list).items()) {
            const std::string& name = part(option, "name").as_string();
            const Node& schema = part(option, "schema");
            if (name == "*") {
                others = part(schema, "additionalProperties");
                continue;
            }
            const Node* value = option.find("default");
            const Node* bounds = option.find("bounds");
            const std::string& type = part(option, "type").as_string();
            properties.set(
                name, documented(schema, bounds ? concat(type, ", ", bounds->as_string()) : type,
                                 part(option, "doc").as_string(), value ? *value : Node()));
            if (part(option, "required").as_bool()) required.push_back(Node::string(name));
        }
    Node out = Node::map();
    out.set("description", part(described.module, "doc"));
    out.set("type", Node::string("object"));
    out.set("properties", std::move(properties));
    out.set("required", Node::list(std::move(required)));
    out.set("additionalProperties", std::move(others));
    return out;
}

/// `{type: ${env:MODEL}}`: which module it is the schema cannot tell.
Node module_by_variable() {
    Node properties = Node::map();
    properties.set("type", json_schema_variable());
    Node out = Node::map();
    out.set("type", Node::string("object"));
    out.set("properties", std::move(properties));
    out.set("required", Node::list({Node::string("type")}));
    return out;
}

/// What an option that takes the name of a module accepts.
Node names_of(const std::string& kind, const std::vector<Described>& modules) {
    Node::List names;
    for (const Described& module : modules)
        if (module.kind == kind)
            for (const std::string& name : {module.name, module.plugin + "/" + module.name})
                names.push_back(Node::string(name));
    Node all = Node::map();
    all.set("enum", Node::list(std::move(names)));
    return all;
}

/// Adds the kinds that are referred to, so that one of which there is no module is defined too.
void add_kinds(const Node& schema, std::map<std::string, Node::List>& kinds) {
    if (schema.is_list())
        for (const Node& item : schema.items()) add_kinds(item, kinds);
    if (!schema.is_map()) return;
    for (const Member& member : schema.members())
        if (member.key == "$ref" && member.value.is_string()) {  // or an option of that name
            const std::string& target = member.value.as_string();
            kinds[target.substr(target.rfind('/') + 1)];
        } else {
            add_kinds(member.value, kinds);
        }
}

/// What `document` refers to.
Node definitions(const Node& document) {
    const std::vector<Described> modules = described_modules();
    NameCounts counts;
    for (const Described& module : modules) ++counts[{module.kind, module.name}];
    std::map<std::string, Node::List> kinds;
    add_kinds(document, kinds);
    Node all = Node::map();
    for (const Described& module : modules) {
        const Node schema = module_schema(module, counts);
        add_kinds(schema, kinds);
        const std::string name = concat(module.kind, ".", module.plugin, ".", module.name);
        kinds[module.kind].push_back(json_schema_reference(name));
        all.set(name, schema);
    }
    for (auto& [kind, alternatives] : kinds) {
        if (kind.starts_with(module_names)) {
            all.set(kind, names_of(kind.substr(module_names.size()), modules));
            continue;
        }
        alternatives.push_back(module_by_variable());
        Node one = Node::map();
        one.set("oneOf", Node::list(std::move(alternatives)));
        all.set(kind, std::move(one));
    }
    return all;
}

}  // namespace

std::string config_json_schema() {
    Node document = Node::map();
    document.set("$schema", Node::string("http://json-schema.org/draft-07/schema#"));
    document.set("title", Node::string("configuration of ailab-run"));
    Node keys = json_schema(run_config_schema());
    for (Member& member : keys.members()) document.set(member.key, std::move(member.value));
    document.set("definitions", definitions(document));
    return to_json(document, 1) + "\n";
}

}  // namespace ailab
