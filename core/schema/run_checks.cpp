#include "run_checks.hpp"

#include <algorithm>

#include "ailab/phase.hpp"
#include "config/scalar.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

bool starts_with(const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0;
}

/// Whether ranks can meet at this address.
bool is_meeting_point(const std::string& text) {
    if (text == "env://") return true;
    const std::string file = "file:///";
    if (starts_with(text, file)) return text.size() > file.size();
    const std::string tcp = "tcp://";
    if (!starts_with(text, tcp)) return false;
    const size_t colon = text.rfind(':');
    const Node port(resolve_scalar(text.substr(colon + 1)));
    const bool has_host = colon > tcp.size();
    return has_host && port.is_int() && port.as_int() >= 1 && port.as_int() <= 65535;
}

void check_dist(const RunConfig& config, const Node& tree, Problems& problems) {
    const std::string& address = config.dist.init_method;
    if (!is_meeting_point(address))
        problems.add(
            place_of(tree, "dist.init_method"),
            concat("dist.init_method must be env://, tcp://host:port or file:///path, got ",
                   in_quotes(address), "."));
}

/// "auto", or the name of a registered module.
void check_choice(const std::string& kind, const std::string& name, const std::string& path,
                  const Node& tree, Problems& problems) {
    if (name == "auto") return;
    PluginHost& host = PluginHost::instance();
    for (const ModuleEntry& entry : host.list(kind))
        if (entry.name == name) return;
    std::string complaint;
    if (!host.find(kind, name, complaint))
        problems.add(place_of(tree, path), concat(path, ": ", complaint, " Or write auto."));
}

void check_length(const Node& tree, Problems& problems) {
    const bool epochs = is_given(tree, "total_epochs");
    const bool iters = is_given(tree, "total_iters");
    if (epochs && iters)
        problems.add(place_of(tree, "total_iters"),
                     "total_epochs and total_iters are both given. Remove one.");
    if (!epochs && !iters)
        problems.add(tree.place,
                     "the configuration needs the key \"total_epochs\" or \"total_iters\" "
                     "(how long the run is). Add \"total_epochs: 10\", for example.");
}

bool has_phase(const RunConfig& config, const std::string& phase) {
    return std::any_of(config.workflow.begin(), config.workflow.end(),
                       [&](const WorkflowStep& step) { return step.phase == phase; });
}

void check_workflow(const RunConfig& config, const Node& tree, Problems& problems) {
    const bool given = tree.find("workflow");
    if (given && tree.find("workflow")->is_list() && config.workflow.empty())
        problems.add(place_of(tree, "workflow"),
                     "workflow is empty. Write [[train, 1]], or leave it out.");
    for (size_t i = 0; i < config.workflow.size(); ++i) {
        const WorkflowStep& step = config.workflow[i];
        const std::vector<std::string> known = phase_names();
        const bool is_phase = std::find(known.begin(), known.end(), step.phase) != known.end();
        if (!is_phase || !is_given(tree, "data") || is_given(tree, "data." + step.phase)) continue;
        const std::string who = given ? concat("workflow[", i, "]") : "the default workflow";
        problems.add(step.place, concat(who, " runs ", step.phase, ", and there is no data.",
                                        step.phase, ". Add it, or leave the phase out."));
    }
    if (!has_phase(config, "train")) {
        if (is_given(tree, "total_iters") && !config.workflow.empty())
            problems.add(place_of(tree, "total_iters"),
                         "total_iters counts training iterations, and the workflow has no train "
                         "phase. Give total_epochs.");
        return;
    }
    if (!is_given(tree, "optimizer"))
        problems.add(tree.place,
                     "the configuration needs the key \"optimizer\" to train. Add "
                     "\"optimizer: {type: …}\".");
}

/// The value that would be the default stands beside the sampler in each config.yaml that was saved
/// while it was filled in there; the run says that it does not count.
void check_shuffle(const RunConfig& config, const Node& tree, Problems& problems) {
    const DataConfig& data = config.data;
    const struct {
        const char* path;
        const DataloaderConfig& loader;
        bool by_default;
    } loaders[] = {{"data.train_dataloader.shuffle", data.train_dataloader, true},
                   {"data.val_dataloader.shuffle", data.val_dataloader, false},
                   {"data.test_dataloader.shuffle", data.test_dataloader, false}};
    for (const auto& [path, loader, by_default] : loaders)
        if (loader.sampler && loader.shuffle && *loader.shuffle != by_default)
            problems.add(place_of(tree, path),
                         concat(path, " and a sampler are both given, and the sampler ",
                                loader.sampler.type(),
                                " decides on the order. Remove shuffle; DefaultSampler and "
                                "InfiniteSampler take it as their own option."));
}

void check_global_batch_size(const RunSchema& schema, const Node& tree, Problems& problems) {
    if (!schema.global_batch_size) return;
    for (const char* key : {"batch_size", "global_batch_size"}) {
        const std::string path = concat("data.train_dataloader.", key);
        if (is_given(tree, path))
            problems.add(place_of(tree, "global_batch_size"),
                         concat("global_batch_size is given here, and ", path, " too (",
                                place_of(tree, path).str(), "). Remove one."));
    }
}

}  // namespace

bool is_given(const Node& tree, const std::string& dotted_path) {
    const Node* node = &tree;
    size_t begin = 0;
    while (node && begin <= dotted_path.size()) {
        const size_t end = std::min(dotted_path.find('.', begin), dotted_path.size());
        node = node->find(std::string_view(dotted_path).substr(begin, end - begin));
        begin = end + 1;
    }
    return node && !node->is_null();
}

Place place_of(const Node& source, const std::string& dotted_path) {
    const Node* node = &source;
    size_t begin = 0;
    while (begin <= dotted_path.size()) {
        const size_t end = std::min(dotted_path.find('.', begin), dotted_path.size());
        const std::string part = dotted_path.substr(begin, end - begin);
        const Node* next = node->find(part);
        if (node->is_list()) {
            const Node index(resolve_scalar(part));
            if (index.is_int() && index.as_int() >= 0 &&
                size_t(index.as_int()) < node->items().size())
                next = &node->items()[size_t(index.as_int())];
        }
        if (!next) break;
        node = next;
        begin = end + 1;
    }
    return node->place;
}

void check_run(const RunSchema& schema, const Node& tree, Problems& problems) {
    const RunConfig& config = schema.config;
    check_dist(config, tree, problems);
    check_choice("backend", config.dist.backend, "dist.backend", tree, problems);
    check_choice("device", config.runtime.device, "runtime.device", tree, problems);
    check_length(tree, problems);
    check_workflow(config, tree, problems);
    check_global_batch_size(schema, tree, problems);
    check_shuffle(config, tree, problems);
}

}  // namespace ailab
