#include "phase_data.hpp"

#include <unistd.h>

#include <algorithm>

#include "ailab/support/number_text.hpp"
#include "data/transform_list.hpp"
#include "distributed/last_words.hpp"
#include "distributed/signals.hpp"
#include "modules/fields.hpp"
#include "schema/role.hpp"

namespace ailab {

std::vector<PhaseConfig> phases_of(const RunConfig& config) {
    const auto used = [&](const char* name) {
        return std::any_of(config.workflow.begin(), config.workflow.end(),
                           [&](const WorkflowStep& step) { return step.phase == name; });
    };
    std::vector<PhaseConfig> phases;
    const DataConfig& data = config.data;
    if (used("train")) phases.push_back({Phase::train, data.train, data.train_dataloader});
    // To see that a model can learn, it is validated on what it was trained on.
    if (used("val"))
        phases.push_back(
            {Phase::val, config.overfit_batches ? data.train : data.val, data.val_dataloader});
    if (used("test")) phases.push_back({Phase::test, data.test, data.test_dataloader});
    return phases;
}

namespace {

std::shared_ptr<const Sampler> make_sampler(const PhaseConfig& config, bool overfit) {
    if (config.loader.sampler && !overfit) return config.loader.sampler.create();
    const bool shuffle = !overfit && config.loader.shuffle.value_or(config.phase == Phase::train);
    const Node node =
        node_of_role(kind_name<Sampler>, shuffle ? roles::shuffled : roles::sequential);
    Problems problems;
    const ModuleConfig module = read_module("sampler", node, "the default sampler", problems);
    problems.check();
    return std::static_pointer_cast<Sampler>(module.create());
}

/// The batches that the sampler forms itself count as its first epoch has them.
void plan_own_batches(LoaderOptions& options) {
    const auto* sampler = dynamic_cast<const BatchSampler*>(options.sampler.get());
    if (!sampler) return;
    BatchPlan& plan = options.plan;
    const EpochBatches first = sampler->batches(*options.dataset, options.context.seed, 0,
                                                {plan.batch_size, plan.drops_last()});
    plan.samples = int64_t(first.ids.size());
    plan.own_batches = int64_t(first.ends.size());
    plan.shared_size = 0;
}

/// What a module finds wrong when it is asked is told at its place.
template <class Ask>
auto told_at(const Place& place, const Ask& ask) {
    try {
        return ask();
    } catch (const ConfigError& error) {
        std::vector<Problem> problems = error.problems();
        for (Problem& problem : problems)
            if (problem.place.str().empty()) problem.place = place;
        throw ConfigError(std::move(problems));
    }
}

BatchPlan plan_batches(const PhaseConfig& config, int64_t train_batch, const Job& job,
                       int64_t samples) {
    BatchPlan plan;
    plan.samples = samples;
    plan.world_size = job.world_size();
    plan.rank = job.rank();
    plan.evaluation = config.phase != Phase::train;
    plan.drop_last = config.loader.drop_last;
    if (!plan.evaluation) {
        plan.batch_size = train_batch;
    } else if (config.loader.global_batch_size) {
        plan.shared_size = *config.loader.global_batch_size;
        plan.batch_size = std::max<int64_t>(1, plan.shared_size / plan.world_size);
    } else {
        plan.batch_size = config.loader.batch_size.value_or(default_batch_size);
    }
    return plan;
}

/// Transforms of samples come first, then at most one of whole batches: what it mixes at the edges
/// of a rank's share are samples that no other has mixed.
void set_transforms(LoaderOptions& options, const ModuleConfig& dataset) {
    const auto transforms = make_transforms(*options.dataset, dataset);
    for (size_t i = 0; i < transforms.size(); ++i) {
        const Place& place = dataset.transforms ? dataset.transforms->at(i).place : dataset.place;
        if (options.batch_transform)
            throw ConfigError(
                {{place, transforms[i]->by_batch()
                             ? "a second transform of whole batches; there can be one"
                             : "this transform changes samples and stands behind one that changes "
                               "whole batches; move it before that"}});
        if (transforms[i]->by_batch())
            options.batch_transform = transforms[i];
        else
            options.transforms.push_back(transforms[i]);
    }
}

/// The order of an epoch is held in memory, with how often each sample came before.
void check_order_fits(const Place& place, const std::string& name, int64_t samples) {
    constexpr double bytes_a_sample = 16, gigabyte = 1e9;
    const double needed = bytes_a_sample * double(samples);
    const double there = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
    if (needed < there) return;
    throw ConfigError(
        {{place, concat(name, " has ", samples, " samples an epoch, whose order alone needs ",
                        fixed_text(needed / gigabyte, 0), " GB of memory; this machine has ",
                        fixed_text(there / gigabyte, 0))}});
}

void set_error_policy(LoaderOptions& options, const PhaseConfig& config) {
    const bool train = config.phase == Phase::train;
    options.skip_broken = config.loader.on_error.value_or(train ? "skip" : "fail") == "skip";
    options.max_errors =
        config.loader.max_errors.value_or(std::max<int64_t>(10, options.plan.samples / 10));
}

}  // namespace

PhaseData make_phase_data(const PhaseConfig& config, const BuildInput& input, bool channels_last,
                          std::vector<std::string>& notes,
                          std::optional<std::vector<std::string>> model_fields) {
    PhaseData data;
    data.dataset = config.dataset.create();
    const std::string name = concat("data.", phase_name(config.phase));
    if (data.dataset->size() <= 0)
        throw ConfigError({{config.dataset.config.place, concat(name, " has no samples")}});
    LoaderOptions options;
    options.dataset = data.dataset;
    options.specs = told_at(config.dataset.config.place, [&] { return specs_of(*data.dataset); });
    if (options.specs)
        data.pads =
            std::any_of(options.specs->begin(), options.specs->end(),
                        [](const FieldSpec& spec) { return spec.layout == BatchLayout::pad; });
    const std::optional<int64_t>& overfit = input.config.overfit_batches;
    options.sampler = make_sampler(config, overfit && config.phase != Phase::test);
    if (config.loader.sampler && config.loader.shuffle)
        notes.push_back(concat(name, ": shuffle does not count, the sampler ",
                               config.loader.sampler.type(), " decides on the order"));
    const Place& sampler_place =
        (config.loader.sampler ? config.loader.sampler.config : config.dataset.config).place;
    // One that forms batches is asked for them below, once.
    const int64_t samples =
        dynamic_cast<const BatchSampler*>(options.sampler.get())
            ? data.dataset->size()
            : told_at(sampler_place, [&] { return options.sampler->size(*data.dataset); });
    check_order_fits(sampler_place, name, std::max(data.dataset->size(), samples));
    set_transforms(options, config.dataset.config);
    if (!config.dataset.config.transforms)
        if (const Node list = write_transforms(*data.dataset, config.dataset.config);
            !list.items().empty())
            notes.push_back(concat(name, ": no transforms given, takes ", list.flow()));
    options.plan = plan_batches(config, input.global_batch_size, input.job, samples);
    if (overfit && config.phase != Phase::test)
        options.plan.samples = std::min(options.plan.samples, *overfit * input.global_batch_size);
    options.context.seed = input.config.seed;
    told_at(sampler_place, [&] { plan_own_batches(options); });
    check_order_fits(sampler_place, name, options.plan.samples);
    if (options.plan.iterations() == 0)
        throw ConfigError(
            {{config.dataset.config.place,
              concat(name, " has ", options.plan.samples, " samples, fewer than a batch of ",
                     options.plan.batch_size, ", and drop_last leaves none")}});
    set_error_policy(options, config);
    options.context.train = config.phase == Phase::train;
    // Whole batches are made by one thread; samples are made by as many as the cores allow.
    const bool whole = options.whole_batches();
    const int64_t wanted = config.loader.num_workers;
    options.workers = whole ? 1 : int(wanted > 0 ? wanted : input.threads.loader);
    if (whole && wanted > 1)
        notes.push_back(concat(name, ": ", config.dataset.type(),
                               " makes whole batches, which one thread does: num_workers ", wanted,
                               " is not needed"));
    options.prefetch =
        int(std::max<int64_t>(1, config.loader.prefetch_factor)) * (whole ? 1 : options.workers);
    options.channels_last = channels_last;
    options.dtype = input.config.runtime.dtype == "float64" ? at::kDouble : at::kFloat;
    options.model_fields = std::move(model_fields);
    options.name = name;
    options.type = config.dataset.type();
    options.sample_timeout = input.config.dist.timeout;
    options.stop_wanted = [] {
        const int signal = dist::stop_requested();
        return signal == 0 ? std::string() : std::string(dist::signal_name(signal));
    };
    if (config.loader.pin_memory && input.device.pins_memory()) options.pins = &input.device;
    data.loader = std::make_unique<Loader>(std::move(options));
    return data;
}

Node with_default_transforms(const RunConfig& config, const std::map<Phase, PhaseData>& data) {
    Node resolved = config.resolved;
    for (const PhaseConfig& phase : phases_of(config)) {
        const ModuleConfig& dataset = phase.dataset.config;
        const bool of_train = &phase.dataset == &config.data.train;  // overfit_batches: val too
        Node* all = resolved.find("data");
        Node* written = all ? all->find(of_train ? "train" : phase_name(phase.phase)) : nullptr;
        if (dataset.transforms || !written || !written->is_map()) continue;
        Node list = transforms_by_default(*data.at(phase.phase).dataset, dataset);
        if (!list.items().empty()) written->set("transforms", std::move(list));
    }
    return resolved;
}

}  // namespace ailab
