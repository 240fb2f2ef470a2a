#include "request.hpp"

#include <algorithm>
#include <utility>

#include "config/overrides.hpp"
#include "role.hpp"

namespace ailab {
namespace {

Node& section(Node& tree, const std::string& key, const Place& place) {
    Node* node = tree.find(key);
    return node && !node->is_null() ? *node : tree.set(key, Node::map({}, place));
}

void remove_key(Node& map, std::string_view key) {
    std::erase_if(map.members(), [&](const Member& member) { return member.key == key; });
}

/// Adds a hook of the role by this name, with `more` behind it where another hook has the name.
/// Returns it, or nullptr where no plugin has such a hook.
Node* add_hook(Node& hooks, std::string name, const char* more, Role role, const Place& place) {
    const std::string type = type_of_role(kind_name<Hook>, role);
    if (type.empty()) return nullptr;
    while (hooks.find(name)) name += more;
    return &hooks.set(name, node_of_type(type, place));
}

bool has_hook(const RunConfig& config, Role role, bool enabled) {
    return std::any_of(config.hooks.begin(), config.hooks.end(), [&](const NamedHook& hook) {
        const ModuleConfig& module = hook.spec.config;
        return module.entry->role == role.name && (module.enable || !enabled);
    });
}

void apply_test(Node& tree, const RunConfig& given, const TestRequest& test, Problems& problems) {
    if (!given.data.test && !given.data.val)
        problems.add(tree.find("data")->place,
                     "there is neither data.test nor data.val to test on; add one");
    tree.set("work_dir",
             Node::string(test.output.empty() ? given.work_dir + "/test" : test.output));
    const std::string phase = given.data.test ? "test" : "val";
    tree.set("workflow", Node::list({Node::list({Node::string(phase), Node(int64_t{1})})}));
    tree.set("total_epochs", Node(int64_t{1}));
    for (const char* key : {"total_iters", "accumulative_counts", "val_interval", "overfit_batches",
                            "resume_from", "load_from", "optimizer", "global_batch_size"})
        remove_key(tree, key);
    remove_key(*tree.find("data"), "train");
    remove_key(*tree.find("data"), "train_dataloader");
    remove_key(*tree.find("model"), "pretrained");
    Node& hooks = section(tree, "hooks", {});
    for (const auto& [name, role] :
         {std::pair("test_logger", roles::logger), std::pair("test_metrics", roles::metrics),
          std::pair("test_predictions", roles::predictions),
          std::pair("test_report", roles::report)})
        if (!has_hook(given, role, /*enabled=*/true) && !add_hook(hooks, name, "_hook", role, {}))
            problems.add({}, no_module_of_role(kind_name<Hook>, role));
}

}  // namespace

void apply_command_line(Node& tree, const ConfigInput& input, Problems& problems) {
    for (size_t i = 0; i < input.overrides.size(); ++i)
        apply_override(tree, input.overrides[i], int(i) + 1, problems);
    if (!input.work_dir.empty()) {
        Node work_dir = Node::string(input.work_dir, override_place("--work-dir"));
        work_dir.written = input.work_dir;
        tree.set("work_dir", std::move(work_dir));
    }

    if (input.plugins.empty()) return;
    Node* plugins = tree.find("plugins");
    const Place place = override_place("--plugins");
    if (!plugins || plugins->is_null()) plugins = &tree.set("plugins", Node::list({}, place));
    if (!plugins->is_list()) return;  // the schema complains
    for (const std::string& plugin : input.plugins) {
        // A saved configuration names the plugins that it was started with.
        const bool listed = std::any_of(
            plugins->items().begin(), plugins->items().end(),
            [&](const Node& item) { return item.is_string() && item.as_string() == plugin; });
        if (!listed) plugins->items().push_back(Node::string(plugin, place));
    }
}

void set_progress_mode(Node& tree, const std::string& mode, Problems& problems) {
    const Place place = override_place("--progress");
    Node& hooks = section(tree, "hooks", place);
    if (!hooks.is_map()) return;  // the schema complains
    bool found = false;
    for (Member& member : hooks.members()) {
        const Node* type = member.value.find("type");
        if (!type || !type->is_string() ||
            !has_role(kind_name<Hook>, type->as_string(), roles::progress))
            continue;
        member.value.set("mode", Node::string(mode, place));
        found = true;
    }
    if (found) return;
    if (Node* hook = add_hook(hooks, "progress", "_bar", roles::progress, place))
        hook->set("mode", Node::string(mode, place));
    else
        problems.add(place, no_module_of_role(kind_name<Hook>, roles::progress));
}

bool changes_the_run(const ConfigInput& input) {
    return input.dry_run || input.test || input.watched;
}

void apply_request(Node& tree, const RunConfig& given, const ConfigInput& input,
                   Problems& problems) {
    if (input.dry_run) tree.set("work_dir", Node::string(given.work_dir + "/dry_run"));
    if (input.test) apply_test(tree, given, *input.test, problems);
    // It does nothing to the run: a build that has no such hook has no bar.
    if (input.watched && !has_hook(given, roles::progress, /*enabled=*/false))
        add_hook(section(tree, "hooks", {}), "progress", "_bar", roles::progress, {});
}

}  // namespace ailab
