#include "progress.hpp"

#include <algorithm>

#include "config/overrides.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

const char* const type_name = "ProgressHook";

bool shows_progress(const Node& hook) {
    const Node* type = hook.find("type");
    if (!type || !type->is_string()) return false;
    const std::string& name = type->as_string();  // also "plugin/Name"
    return name.substr(name.rfind('/') + 1) == type_name;
}

Node progress_hook(const Place& place) {
    Node hook = Node::map({}, place);
    hook.set("type", Node::string(type_name, place));
    return hook;
}

}  // namespace

void set_progress_mode(Node& tree, const std::string& mode) {
    const Place place = override_place("--progress");
    Node* hooks = tree.find("hooks");
    if (!hooks || hooks->is_null()) hooks = &tree.set("hooks", Node::map({}, place));
    if (!hooks->is_map()) return;  // the schema complains
    bool found = false;
    for (Member& member : hooks->members()) {
        if (!shows_progress(member.value)) continue;
        member.value.set("mode", Node::string(mode, place));
        found = true;
    }
    if (found) return;
    std::string name = "progress";
    while (hooks->find(name)) name += "_bar";  // a hook of another type has the name
    hooks->set(name, progress_hook(place)).set("mode", Node::string(mode, place));
}

void add_progress_hook(RunConfig& config) {
    const auto is_it = [](const NamedHook& hook) { return hook.spec.type() == type_name; };
    if (std::any_of(config.hooks.begin(), config.hooks.end(), is_it)) return;
    const auto known = PluginHost::instance().list("hook");
    if (std::none_of(known.begin(), known.end(),
                     [](const ModuleEntry& entry) { return entry.name == type_name; }))
        return;
    Problems problems;
    NamedHook hook{"progress", {}};
    hook.spec.config = read_module("hook", progress_hook({}), "the progress bar", problems);
    problems.check();
    config.hooks.push_back(std::move(hook));
}

}  // namespace ailab
