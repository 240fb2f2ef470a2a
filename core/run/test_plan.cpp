#include "test_plan.hpp"

#include <algorithm>

#include "ailab/error.hpp"
#include "checkpoint_choice.hpp"

namespace ailab {
namespace {

/// A hook that `ailab-run test` has although the configuration names none of its type.
void add_hook(RunConfig& config, const std::string& name, const std::string& type) {
    const bool there = std::any_of(
        config.hooks.begin(), config.hooks.end(),
        [&](const NamedHook& hook) { return hook.spec.type() == type && hook.spec.config.enable; });
    if (there) return;
    Node node = Node::map();
    node.set("type", Node::string(type));
    Problems problems;
    NamedHook hook{name, {}};
    hook.spec.config = read_module(kind_name<Hook>, node, "hooks." + name, problems);
    problems.check();
    config.hooks.push_back(std::move(hook));
}

}  // namespace

void plan_test(RunConfig& config, const TestRequest& request) {
    if (!config.data.test && !config.data.val)
        throw ConfigError({{place_of(config.source, "data"),
                            "there is neither data.test nor data.val to test on; add one"}});
    const std::string phase = config.data.test ? "test" : "val";
    config.test = {choose_checkpoint(request.checkpoint, config.work_dir), request.views};
    config.work_dir = request.output.empty() ? config.work_dir + "/test" : request.output;
    config.workflow = {WorkflowStep{.phase = phase}};
    config.total_epochs = 1;
    config.total_iters.reset();
    config.accumulative_counts = 1;
    config.val_interval = 1;
    config.overfit_batches.reset();
    config.resume_from.reset();
    config.load_from.reset();
    config.model.pretrained.reset();
    config.data.train = {};
    config.optimizers.clear();
    add_hook(config, "test_logger", "LoggerHook");
    add_hook(config, "test_metrics", "MetricHook");
    add_hook(config, "test_predictions", "PredictionsHook");
    add_hook(config, "test_report", "ReportHook");
}

}  // namespace ailab
