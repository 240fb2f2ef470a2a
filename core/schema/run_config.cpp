#include "run_config.hpp"

#include <filesystem>
#include <utility>

#include "ailab/support/regular_file.hpp"
#include "config/expand.hpp"
#include "config/scalar.hpp"
#include "config/yaml_reader.hpp"
#include "plugin/plugin_host.hpp"
#include "request.hpp"
#include "resolved.hpp"
#include "run_checks.hpp"
#include "run_schema.hpp"

namespace ailab {
namespace {

/// Far above any configuration: read_yaml() says how much one may have.
constexpr uint64_t most_bytes = 64 << 20;

std::string read_config(const std::string& path) {
    const RegularFile file(path);
    const std::string& problem = file.problem();
    if (problem.starts_with("it is "))
        throw ConfigError(
            concat(path, ": ", problem.substr(3), "; give the configuration's file."));
    if (!problem.empty())
        throw ConfigError(
            concat(path, ": the configuration cannot be read: ", problem, ". Check the name."));
    if (file.size() > most_bytes)
        throw ConfigError(concat(path, ": has ", file.size(),
                                 " bytes, which no configuration has. Is it the right file?"));
    try {
        return file.text();
    } catch (const Error& error) {
        throw ConfigError(concat(path, ": the configuration cannot be read: ", error.what(), "."));
    }
}

/// Values that `${…}` has also when the file does not give them.
std::map<std::string, Node> default_variables() {
    std::map<std::string, Node> defaults;
    for (OptionField& doc : describe_run_config())
        if (doc.name.find('.') == std::string::npos && doc.default_value.is_scalar() &&
            !doc.default_value.is_null())
            defaults[doc.name] = std::move(doc.default_value);
    return defaults;
}

/// Loads a plugin and gives the name by which a configuration in another folder finds it.
std::string load_plugin(const std::string& name, const std::string& folder) {
    PluginHost& host = PluginHost::instance();
    const size_t before = host.loaded().size();
    host.load(name);
    const std::vector<LoadedPlugin> loaded = host.loaded();
    if (std::filesystem::exists(name) || loaded.size() == before) return name;
    const std::filesystem::path path = std::filesystem::absolute(loaded.back().path);
    return path.parent_path() == std::filesystem::absolute(folder).lexically_normal()
               ? path.string()
               : name;
}

void load_plugins(const Node& tree, const std::string& source, std::vector<std::string>& names,
                  Problems& problems) {
    const Node* plugins = tree.find("plugins");
    if (!plugins || !plugins->is_list()) return;
    const std::string parent = std::filesystem::path(source).parent_path().string();
    const std::string folder = parent.empty() ? std::string(".") : parent;
    PluginHost::instance().add_search_folder(folder);
    for (const Node& plugin : plugins->items()) {
        if (!plugin.is_string()) continue;  // the schema complains
        try {
            names.push_back(load_plugin(plugin.as_string(), folder));
        } catch (const ConfigError& error) {
            for (const Problem& problem : error.problems())
                problems.add(plugin.place, problem.text);
        }
    }
}

void fill_in(RunSchema& schema, const Node& tree) {
    RunConfig& config = schema.config;
    if (config.resume_from == "") config.resume_from.reset();
    if (config.load_from == "") config.load_from.reset();
    if (!tree.find("workflow")) {
        const Place place = place_of(tree, "data");
        config.workflow.push_back({"train", 1, {}, place});
        if (is_given(tree, "data.val")) config.workflow.push_back({"val", 1, {}, place});
    }
}

void fill_in_loaders(RunSchema& schema) {
    DataConfig& data = schema.config.data;
    if (schema.global_batch_size)
        data.train_dataloader.global_batch_size = std::exchange(schema.global_batch_size, {});
    for (DataloaderConfig* loader :
         {&data.train_dataloader, &data.val_dataloader, &data.test_dataloader}) {
        if (!loader->batch_size && !loader->global_batch_size) loader->batch_size = 32;
        // A sampler decides itself.
        if (!loader->shuffle && !loader->sampler)
            loader->shuffle = loader == &data.train_dataloader;
    }
}

Node resolve(RunConfig& config, const Node& tree) {
    RunSchema schema{config, {}};
    Node resolved = write_options([&](OptionVisitor& v) { schema.visit(v); });
    keep_variables(resolved, tree);
    const Node* short_form = tree.find("global_batch_size");
    Node* long_form = resolved.find("data")->find("train_dataloader")->find("global_batch_size");
    if (short_form && !short_form->is_null()) keep_variables(*long_form, *short_form);
    // It stands in the loader's section now.
    std::erase_if(resolved.members(),
                  [](const Member& member) { return member.key == "global_batch_size"; });
    return resolved;
}

Node read_tree(const std::string& text, const std::string& source, Problems& problems) {
    Node tree = read_yaml(text, source, problems);
    if (tree.is_map()) return tree;
    const std::string form = " A configuration is a map of keys, such as model: {type: …}.";
    if (problems.empty())
        problems.add({std::make_shared<const std::string>(source), 1, 1},
                     tree.is_null() ? concat("there is nothing in this file.", form)
                                    : concat("this file holds ", tree.describe(), ".", form));
    problems.check();
    return tree;
}

/// Throws ConfigError with everything that is wrong.
RunConfig read_checked(const Node& tree, Problems& problems) {
    RunConfig config;
    RunSchema schema{config, {}};
    read_options([&](OptionVisitor& v) { schema.visit(v); }, tree,
                 {"the configuration", "", "key", tree.place, {}}, problems);
    fill_in(schema, tree);
    check_run(schema, tree, problems);
    problems.check();
    fill_in_loaders(schema);
    return config;
}

}  // namespace

RunConfig parse_config(const std::string& text, const std::string& source,
                       const ConfigInput& input) {
    Problems problems;
    Node tree = read_tree(text, source, problems);
    apply_command_line(tree, input, problems);
    expand_variables(tree, default_variables(), problems);
    std::vector<std::string> plugins;
    load_plugins(tree, source, plugins, problems);
    if (!input.progress.empty()) set_progress_mode(tree, input.progress, problems);

    // As it was given: mistakes in what a test leaves out are mistakes too, and what is saved is
    // what the same command takes again.
    RunConfig config = read_checked(tree, problems);
    Node resolved = resolve(config, tree);
    const std::string work_dir = config.work_dir;
    if (changes_the_run(input)) {
        Node changed = tree;
        apply_request(changed, config, input, problems);
        problems.check();
        config = read_checked(changed, problems);
    }
    config.plugins = std::move(plugins);
    config.dry_run = input.dry_run;
    if (input.test) config.test = {input.test->checkpoint, work_dir, input.test->views};
    config.resolved = std::move(resolved);
    config.source = std::move(tree);
    return config;
}

RunConfig load_config(const ConfigInput& input) {
    return parse_config(read_config(input.path), input.path, input);
}

}  // namespace ailab
