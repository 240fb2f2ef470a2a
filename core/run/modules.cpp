#include "modules.hpp"

#include <torch/nn/module.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "ailab/binding.hpp"
#include "ailab/log.hpp"
#include "class_agreement.hpp"
#include "compare_data.hpp"
#include "data/memory_format.hpp"
#include "distributed/broadcast.hpp"
#include "host/error_context.hpp"
#include "phase_data.hpp"
#include "step/forward_pass.hpp"
#include "step/parameters.hpp"
#include "task/augmented_model.hpp"
#include "weights/load_weights.hpp"
#include "work_dir/checkpoint_choice.hpp"

namespace ailab {

namespace {

// ---- model

bool is_convolutional(const torch::nn::Module& module) {
    const auto parameters = module.parameters();
    return std::any_of(parameters.begin(), parameters.end(),
                       [](const Tensor& parameter) { return parameter.dim() == 4; });
}

void make_channels_last(torch::nn::Module& module) {
    for (Tensor& parameter : module.parameters())
        if (parameter.dim() == 4) parameter.set_data(to_channels_last(parameter.detach()));
}

/// Weights are drawn on rank 0 and sent to everyone.
void broadcast_weights(torch::nn::Module& module, Job& job) {
    broadcast_from_first(job, module.parameters());
    broadcast_from_first(job, module.buffers());
}

/// What cannot be trained or saved, as the modules were made: to another dtype or device each
/// tensor goes on its own.
void check_tensors(const Modules& modules, const RunConfig& config) {
    Problems problems;
    check_shared_memory(all_parameters({*modules.model, modules.loss.get()}),
                        config.model.config.place, problems);
    try {
        check_safetensors(weights_of(*modules.model));
    } catch (const Error& error) {
        problems.add(config.model.config.place,
                     concat("model \"", config.model.type(), "\" cannot be saved: ", error.what(),
                            ", and so no checkpoint can. Keep it as a member that is not "
                            "registered, or in another form"));
    }
    problems.check();
}

/// `pretrained` on rank 0, whose weights all get; then what load_from finds.
void load_first_weights(const BuildInput& input, Modules& modules) {
    const RunConfig& config = input.config;
    if (config.test) {
        if (input.job.rank() == 0)
            modules.notes.push_back(load_trained_weights(*modules.model, input.trained_weights));
        return;
    }
    const auto load = [&](const auto& from, const std::string& key) {
        try {
            const LoadedWeights loaded = load_weights(*modules.model, from);
            modules.notes.push_back(loaded.summary);
            if (input.job.rank() == 0 && !loaded.unmatched.empty())
                log_warning(describe_unmatched(loaded));
        } catch (const Error& error) {
            throw ConfigError({{place_of(config.source, key), error.what()}});
        }
    };
    if (config.model.pretrained && input.job.rank() == 0)
        load(*config.model.pretrained, "model.pretrained.file");
    if (config.load_from) load(*config.load_from, "load_from");
}

/// torch's own drops imaginary parts: complex tensors are kept from it.
void make_double(torch::nn::Module& module) {
    std::vector<std::pair<Tensor, Tensor>> complex;
    const auto keep = [&](const std::vector<Tensor>& tensors) {
        for (const Tensor& tensor : tensors)
            if (tensor.is_complex())
                complex.emplace_back(tensor, tensor.detach().to(at::kComplexDouble));
    };
    keep(module.parameters());
    keep(module.buffers());
    for (auto& [tensor, value] : complex) tensor.set_data(at::empty({0}, at::kDouble));
    module.to(at::kDouble);
    for (auto& [tensor, value] : complex) tensor.set_data(value);
}

void place_module(torch::nn::Module& module, const BuildInput& input) {
    if (input.config.runtime.dtype == "float64") make_double(module);
    if (!input.torch_device.is_cpu()) module.to(input.torch_device);
}

/// The fields that the model may take; nothing where it takes what it likes from the batch.
std::optional<std::vector<std::string>> fields_of_model(const Model& model,
                                                        const RunConfig& config) {
    if (model.owns_step()) return {};
    std::vector<std::string> fields;
    for (const Phase phase : phases)
        for (std::string& name : model.inputs_in(phase)) fields.push_back(std::move(name));
    if (std::find(fields.begin(), fields.end(), "target") != fields.end())
        fields.push_back("label");  // which may stand for it
    for (const auto& [input, field] : config.model.binding().mapping) fields.push_back(field);
    return fields;
}

void check_dataset_fields(const PhaseConfig& phase, const Modules& modules, RunPlan& plan,
                          const RunConfig& config, Problems& problems) {
    std::vector<std::string> fields = batch_fields(*modules.data.at(phase.phase).dataset);
    const std::string model_name = concat("model \"", config.model.type(), "\"");
    if (!modules.model->owns_step() || phase.phase != Phase::train)
        check_binding(fields, modules.model->inputs_in(phase.phase), config.model.config,
                      model_name, problems);
    if (!fields.empty()) {
        for (std::string& key : output_keys(*modules.model, phase.phase, config.model.binding()))
            fields.push_back(std::move(key));
    }
    plan.phases.push_back(phase.phase);
    // A model that owns its step may add what it likes.
    const bool known = !modules.model->owns_step() || phase.phase != Phase::train;
    plan.fields[phase.phase] = known ? fields : std::vector<std::string>();
    if (modules.loss && counts_in(config.loss.binding(), phase.phase))
        check_binding(fields, modules.loss->inputs(), config.loss.config,
                      concat("loss \"", config.loss.type(), "\""), problems);
}

/// What an optimizer that evaluates the loss several times a step cannot be combined with.
void check_optimizer(const Optimizer& optimizer, const Place& place, const Modules& modules,
                     const RunConfig& config, Problems& problems) {
    if (!optimizer.needs_closure()) return;
    const auto refuse = [&](const std::string& what) {
        problems.add(place, concat("this optimizer evaluates the loss several times a step, which "
                                   "does not go together with ",
                                   what, "; leave that out, or take another optimizer"));
    };
    if (config.accumulative_counts > 1) refuse("accumulative_counts above 1");
    if (config.clip_grad.max_norm || config.clip_grad.max_value) refuse("clip_grad");
    if (modules.step.autocast && modules.step.autocast->dtype == at::kHalf)
        refuse("float16 training");
    if (modules.model->owns_step()) refuse("a model that owns its step");
}

/// Those that an optimizer trains, with all their names.
std::vector<NamedParameter> parameters_to_train(const std::string& optimizer,
                                                const std::vector<NamedParameter>& all,
                                                const Model& model) {
    std::vector<NamedParameter> parameters = all;
    if (!optimizer.empty()) {
        parameters = by_identity(model.optimizer_parameters(optimizer));
        for (NamedParameter& parameter : parameters)
            for (const NamedParameter& known : all)
                if (known.tensor.is_same(parameter.tensor)) {
                    parameter.aliases = names_of(known);
                    std::erase(parameter.aliases, parameter.name);
                }
    }
    std::erase_if(parameters, [](const NamedParameter& parameter) {
        return !parameter.tensor.requires_grad();
    });
    return parameters;
}

/// What cannot train complex numbers says so before the first step.
void check_complex(const std::vector<NamedParameter>& parameters, Optimizer& optimizer,
                   const Place& place, const RunConfig& config, Problems& problems) {
    const auto complex = std::find_if(parameters.begin(), parameters.end(),
                                      [](const auto& one) { return one.tensor.is_complex(); });
    if (complex == parameters.end()) return;
    if (config.clip_grad.max_value)
        problems.add(place_of(config.source, "clip_grad.max_value"),
                     concat("clip_grad.max_value limits real numbers, and parameter \"",
                            complex->name, "\" is complex; use max_norm"));
    try {
        optimizer.load_state(optimizer.save_state());  // which looks at all parameters
    } catch (const std::exception& error) {
        problems.add(place, short_message(error));
    }
}

void make_optimizers(const BuildInput& input, Modules& modules, Problems& problems) {
    const RunConfig& config = input.config;
    const std::vector<std::string> wanted = modules.model->optimizer_names();
    std::vector<std::string> given;
    for (const auto& [name, spec] : config.optimizers) given.push_back(name);
    const std::vector<std::string> one = {""};
    if (!std::is_permutation(given.begin(), given.end(),
                             wanted.empty() ? one.begin() : wanted.begin(),
                             wanted.empty() ? one.end() : wanted.end())) {
        const Place place = place_of(config.source, "optimizer");
        if (wanted.empty())
            problems.add(place,
                         concat("model \"", config.model.type(),
                                "\" is trained with one optimizer; write optimizer: {type: …}"));
        else
            problems.add(
                place, concat("model \"", config.model.type(), "\" needs the optimizers ",
                              join(wanted), "; write optimizer: {", wanted[0], ": {type: …}, …}"));
        return;
    }
    const Trained trained{*modules.model, modules.loss.get()};
    const std::vector<NamedParameter> all = all_parameters(trained);
    for (const auto& [name, spec] : config.optimizers) {
        std::vector<NamedParameter> parameters = parameters_to_train(name, all, *modules.model);
        if (parameters.empty()) {
            problems.add(spec.config.place,
                         concat("model \"", config.model.type(), "\" has no parameter to train"));
            continue;
        }
        std::shared_ptr<Optimizer> optimizer = spec.create();
        check_optimizer(*optimizer, spec.config.place, modules, config, problems);
        std::vector<ParamGroup> groups =
            make_groups(parameters, trained, *optimizer, config.paramwise_cfg);
        modules.optimizers[name] = optimizer;
        modules.updates[name] = std::make_unique<ParameterUpdate>(
            optimizer, std::move(parameters), std::move(groups),
            input.job.world_size() > 1 ? input.job.backend() : nullptr, modules.step.bucket_mb);
        check_complex(modules.updates[name]->parameters(), *optimizer, spec.config.place, config,
                      problems);
    }
}

/// Whether a sample tells that the targets are numbers of classes. One that cannot be read tells
/// nothing.
bool has_class_numbers(const Dataset& dataset) {
    if (dataset.size() == 0) return false;
    try {
        return is_class_number(dataset.get(0, SampleContext()));
    } catch (const Error&) {
        return false;  // who reads it for the evaluation says what is wrong with it
    }
}

/// `ailab-run test --tta`.
void look_at_views(Modules& modules, const RunConfig& config) {
    const ChosenTask chosen = task_of(config, modules, *modules.data.begin()->second.dataset,
                                      /*by_samples=*/false);
    if (!chosen.is_known())
        throw ConfigError(
            {{config.loss ? config.loss.config.place : config.source.place,
              "--tta takes the mean of what the model predicts, and nothing says whether its "
              "outputs are scores of classes, of labels, or numbers: neither the loss nor classes "
              "of the data. Name the task (task: Regression), or leave --tta out"}});
    modules.task = chosen.task;
    modules.model =
        std::make_shared<AugmentedModel>(modules.model, config.test->views, modules.task);
}

/// Two hooks must not write the same file.
void check_output_paths(const Modules& modules, const RunConfig& config, Problems& problems) {
    std::map<std::string, std::string> owners;
    for (size_t i = 0; i < modules.hooks.size(); ++i)
        for (const std::string& path : modules.hooks[i]->output_paths()) {
            const auto [found, is_new] = owners.emplace(
                std::filesystem::path(path).lexically_normal().string(), modules.hook_names[i]);
            if (!is_new)
                problems.add(place_of(config.source, "hooks." + modules.hook_names[i]),
                             concat("the hooks \"", found->second, "\" and \"",
                                    modules.hook_names[i], "\" both write ", path,
                                    "; give one of them another folder, or remove it"));
        }
}

}  // namespace

ChosenTask task_of(const RunConfig& config, const Modules& modules, const Dataset& dataset,
                   bool by_samples) {
    return choose_task(
        config, modules.loss.get(), *modules.model, modules.trained_task,
        [&] { return dataset.num_classes() || (by_samples && has_class_numbers(dataset)); },
        dataset.class_names());
}

void plan_results(Modules& modules, const RunConfig& config) {
    RunPlan& plan = modules.plan;
    plan.results.clear();
    plan.greater_is_better.clear();
    for (const Phase phase : plan.phases) {
        std::vector<std::string>& names = plan.results[phase];
        if (modules.loss && phase != Phase::train && counts_in(config.loss.binding(), phase)) {
            names.push_back("loss");
            if (const auto terms = modules.loss->term_names(); terms.size() > 1)
                names.insert(names.end(), terms.begin(), terms.end());
            // A term may be called as a score is (dice).
            for (const std::string& name : names) plan.greater_is_better[name] = false;
        }
        for (const auto& hook : modules.hooks)
            for (std::string& name : hook->result_names(phase)) {
                if (const auto greater = hook->greater_is_better(name))
                    plan.greater_is_better.emplace(name, *greater);
                names.push_back(std::move(name));
            }
    }
}

int64_t global_batch_size(const RunConfig& config, int world_size) {
    const DataloaderConfig& loader = config.data.train_dataloader;
    if (!loader.global_batch_size)
        return loader.batch_size.value_or(default_batch_size) * world_size;
    if (*loader.global_batch_size % world_size != 0)
        throw ConfigError(
            {{place_of(config.source, "data.train_dataloader.global_batch_size"),
              concat("global_batch_size ", *loader.global_batch_size, " does not divide by the ",
                     world_size, " ranks; give a multiple, or batch_size, which is per rank")}});
    return *loader.global_batch_size;
}

Hooks make_hooks(const RunConfig& config) {
    struct Made {
        std::shared_ptr<Hook> hook;
        std::string name;
        int priority;
    };
    std::vector<Made> made;
    for (const NamedHook& named : config.hooks) {
        if (!named.spec.config.enable) continue;
        std::shared_ptr<Hook> hook = named.spec.create();
        if (config.test && hook->for_training_only()) continue;
        const int priority = named.spec.config.priority.value_or(hook->default_priority());
        made.push_back({std::move(hook), named.name, priority});
    }
    std::stable_sort(made.begin(), made.end(),
                     [](const Made& a, const Made& b) { return a.priority < b.priority; });
    Hooks hooks;
    for (Made& one : made) {
        hooks.hooks.push_back(std::move(one.hook));
        hooks.names.push_back(std::move(one.name));
    }
    return hooks;
}

Modules build_modules(const BuildInput& input, Hooks hooks) {
    const RunConfig& config = input.config;
    Modules modules;
    modules.hooks = std::move(hooks.hooks);
    modules.hook_names = std::move(hooks.names);
    modules.step.bucket_mb = config.runtime.bucket_mb;
    for (const auto& hook : modules.hooks) hook->plan_step(modules.step);
    input.device.seed(config.seed);
    modules.model = config.model.create();
    if (config.loss) modules.loss = config.loss.create();
    if (!config.test && config.data.train) check_tensors(modules, config);
    place_module(*modules.model, input);
    if (modules.loss) place_module(*modules.loss, input);
    const bool convolutional = is_convolutional(*modules.model);
    const bool channels_last = config.runtime.channels_last && convolutional;
    if (channels_last) make_channels_last(*modules.model);
    if (convolutional)
        modules.notes.push_back(channels_last
                                    ? "convolutional model: channels_last weights and inputs "
                                      "(runtime.channels_last: false to switch off)"
                                    : "convolutional model: channels_last is off");
    if (!input.resumes) load_first_weights(input, modules);
    broadcast_weights(*modules.model, input.job);
    if (modules.loss) broadcast_weights(*modules.loss, input.job);

    Problems problems;
    std::vector<std::string> outputs;  // of the phase that has most
    for (const Phase phase : ailab::phases)
        if (std::vector<std::string> own = modules.model->outputs_in(phase);
            own.size() > outputs.size())
            outputs = std::move(own);
    if (const auto& keys = config.model.binding().output_keys; keys.size() > outputs.size())
        problems.add(
            config.model.config.place,
            concat("output_keys names ", keys.size(), " outputs (", join(keys), "), but model \"",
                   config.model.type(), "\" returns ", outputs.size(), " (", join(outputs), ")"));
    freeze_parameters({*modules.model, modules.loss.get()}, config, problems);
    modules.frozen_norms = FrozenNorms(*modules.model, config.norm_eval, problems);
    if (input.job.world_size() > 1 && config.data.train && !modules.step.sync_batch_norm &&
        !modules.frozen_norms.hold_all(*modules.model))
        modules.notes.push_back(
            "batch norms take the statistics of each rank's own samples, so losses depend on the "
            "number of ranks (sync_batch_norm: true in DDPHook takes those of all samples)");
    if (config.accumulative_counts > 1 && modules.model->owns_step())
        problems.add(place_of(config.source, "accumulative_counts"),
                     concat("model \"", config.model.type(),
                            "\" owns its step and accumulates nothing; leave accumulative_counts "
                            "out"));
    const std::vector<PhaseConfig> phases = phases_of(config);
    for (const PhaseConfig& phase : phases) {
        modules.data[phase.phase] = make_phase_data(phase, input, channels_last, modules.notes,
                                                    fields_of_model(*modules.model, config));
        check_dataset_fields(phase, modules, modules.plan, config, problems);
    }
    // Of what is neither compared nor saved names may be slow to make.
    if (input.job.world_size() > 1 || !config.test) modules.data_facts = data_facts(modules.data);
    compare_data(input.job, phases, modules.data_facts);
    agree_on_classes(config, config.test ? trained_classes(input.trained_weights) : ClassFacts(),
                     modules, problems);
    check_mixed_classes(config, modules, problems);
    if (const auto train = modules.data.find(Phase::train); train != modules.data.end())
        modules.classes = class_facts(*train->second.dataset, config);
    if (config.test) modules.trained_task = trained_task(input.trained_weights);
    if (config.test && !config.test->views.empty()) look_at_views(modules, config);
    if (!config.test) {
        if (!modules.loss && !modules.model->owns_step())
            problems.add(config.source.place, "there is no loss; add loss: {type: …}");
        else if (!modules.model->owns_step() && !counts_in(config.loss.binding(), Phase::train))
            problems.add(config.loss.config.place,
                         "phases of the loss leaves out train, by which the model is trained");
        make_optimizers(input, modules, problems);
    }
    check_output_paths(modules, config, problems);
    plan_results(modules, config);
    for (const auto& hook : modules.hooks) hook->check(modules.plan, problems);
    problems.check();
    for (const auto& [name, update] : modules.updates)
        if (const std::string buckets = update->gradients().describe(); !buckets.empty())
            modules.notes.push_back(concat("gradients", name.empty() ? "" : " of " + name, ": ",
                                           buckets, " over ", input.job.backend_name()));
    return modules;
}

}  // namespace ailab
