#include "start_report.hpp"

#include <algorithm>
#include <limits>

#include "ailab/log.hpp"
#include "phase_data.hpp"
#include "schema/run_checks.hpp"

namespace ailab {
namespace {

std::string describe_batch(const StartReport& report) {
    const int64_t batch = report.batch;
    const int64_t accumulate = report.config.accumulative_counts;
    return concat(
        "batch: ", batch, " samples over all ranks, ", batch / report.job.world_size(), " a rank",
        accumulate > 1
            ? concat("; a step takes ", accumulate, " batches, ", batch * accumulate, " samples")
            : "");
}

std::string describe_precision(const std::optional<AutocastPlan>& autocast) {
    if (!autocast) return "mixed precision: off (AMPHook switches it on)";
    if (autocast->dtype != at::kHalf) return "mixed precision: on, bfloat16";
    return concat("mixed precision: on, float16, the loss times ", autocast->initial_scale,
                  " at first");
}

/// Iterations of the shortest training phase.
int64_t shortest_phase(const RunConfig& config, int64_t epoch) {
    int64_t shortest = config.total_iters.value_or(std::numeric_limits<int64_t>::max());
    for (const WorkflowStep& step : config.workflow)
        if (step.phase == "train") shortest = std::min(shortest, step.iters.value_or(epoch));
    return shortest;
}

/// Options of data that this run does not read, or that change nothing in an evaluation.
void warn_of_idle_data_options(const RunConfig& config) {
    const Node& file = config.source;
    const auto warn = [&](const std::string& path, const std::string& why) {
        log_warning(place_of(file, path).str(), ": ", path, " has no effect: ", why);
    };
    const DataConfig& data = config.data;
    const struct {
        const char* phase;
        const DataloaderConfig& loader;
        bool has_data;
    } sets[] = {{"train", data.train_dataloader, bool(data.train)},
                {"val", data.val_dataloader, bool(data.val)},
                {"test", data.test_dataloader, bool(data.test)}};
    for (const auto& [phase, loader, has_data] : sets) {
        const std::string dataset = concat("data.", phase);
        const std::string key = dataset + "_dataloader";
        if (!is_given(file, key)) continue;
        // `ailab-run test` has no data.train; a saved configuration has all keys, with defaults.
        const bool says_something =
            loader.global_batch_size || loader.sampler || loader.batch_size != default_batch_size;
        if (!has_data && says_something && !(config.test && dataset == "data.train"))
            warn(key, concat("there is no ", dataset));
        if (is_given(file, key + ".persistent_workers") && !loader.persistent_workers)
            warn(key + ".persistent_workers", "the threads that load always persist");
        if (is_given(file, key + ".max_errors") && loader.on_error && *loader.on_error == "fail")
            warn(key + ".max_errors", "on_error: fail ends the run with the first one");
        if (dataset == "data.train") continue;
        if (loader.drop_last)
            warn(key + ".drop_last", "an evaluation takes every sample once; leave it out");
        if (!loader.sampler && loader.shuffle.value_or(false))
            warn(key + ".shuffle",
                 "results of an evaluation do not depend on the order of its samples; leave it "
                 "out");
    }
    const bool validates =
        std::any_of(config.workflow.begin(), config.workflow.end(),
                    [](const WorkflowStep& step) { return step.phase == "val"; });
    if (config.val_interval > 1 && !validates && !config.test)
        warn("val_interval", "the workflow has no val phase");
    if (config.overfit_batches && data.val && validates)  // as it is meant to
        log_info("data.val has no effect: overfit_batches validates on the batches of data.train");
}

void warn_of_idle_settings(const StartReport& report) {
    const auto train = report.modules.data.find(Phase::train);
    if (train == report.modules.data.end()) return;
    const RunConfig& config = report.config;
    const BatchPlan& plan = train->second.loader->plan();
    const int64_t phase = shortest_phase(config, plan.iterations());
    if (config.accumulative_counts > phase)
        log_warning("accumulative_counts is ", config.accumulative_counts,
                    ", and a training phase has ", phase, phase == 1 ? " iteration" : " iterations",
                    ": a step ends with its phase, so it takes no more than these");
    if (config.overfit_batches && *config.overfit_batches > plan.iterations())
        log_warning("overfit_batches is ", *config.overfit_batches, ", and data.train has ",
                    plan.iterations(), plan.iterations() == 1 ? " batch" : " batches",
                    ": all of it is used");
}

}  // namespace

void log_start(const StartReport& report) {
    const RunConfig& config = report.config;
    const Job& job = report.job;
    log_info("run folder: ", report.run_dir);
    log_info("device: ", report.device, ", ranks: ", job.world_size(), " (",
             job.rank_info().launcher, ")",
             job.world_size() > 1 ? ", backend: " + job.backend_name() : "");
    log_info(report.threads.why);
    log_info(
        "allocator: ", config.runtime.allocator,
        config.runtime.allocator == "caching" ? " (runtime.allocator: system to switch off)" : "");
    for (const std::string& note : report.modules.notes) log_info(note);
    for (const auto& [name, optimizer] : report.modules.optimizers)
        if (const std::string decay = describe_decay(optimizer->groups()); !decay.empty())
            log_info(name.empty() ? "" : name + ": ", decay);
    if (report.batch > 0) log_info(describe_batch(report));
    if (!config.test && report.modules.data.count(Phase::train) == 0)
        log_info(
            "the workflow has no train phase: nothing is trained, the model is evaluated as it is");
    log_info(describe_precision(report.modules.step.autocast));
    if (job.rank() != 0) return;
    warn_of_idle_data_options(config);
    warn_of_idle_settings(report);
}

}  // namespace ailab
