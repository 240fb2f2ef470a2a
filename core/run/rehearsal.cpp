// Before the first training step: what would end the run only after an epoch, found with a few
// forward passes that leave nothing behind.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "data/batch_maker.hpp"
#include "host/error_context.hpp"
#include "runner.hpp"

namespace ailab {

namespace {

/// Puts back what forward passes may change: generators, buffers, in training mode parameters too
/// (an encoder that follows another), and what a module keeps beside them.
class Untouched {
  public:
    Untouched(Model& model, Loss* loss, Device& device, bool training)
        : model_(model),
          loss_(loss),
          device_(device),
          device_generator_state_(device.rng_state()),
          cpu_generator_(at::detail::getDefaultCPUGenerator()),
          cpu_generator_state_(cpu_generator_.get_state()),
          model_state_(model.save_state()) {
        keep(model, training);
        if (!loss) return;
        keep(*loss, training);
        loss_state_ = loss->save_state();
    }
    /// May throw what a module's load_state() throws.
    void put_back() {
        const at::NoGradGuard no_grad;
        for (auto& [tensor, copy] : tensors_) tensor.copy_(copy);
        if (!is_empty(model_state_)) model_.load_state(model_state_);
        if (!is_empty(loss_state_)) loss_->load_state(loss_state_);
        cpu_generator_.set_state(cpu_generator_state_);
        device_.set_rng_state(device_generator_state_);
    }

  private:
    static bool is_empty(const State& state) {
        return state.tensors.empty() && state.values.members().empty() &&
               state.rank_tensors.empty() && state.shards.empty();
    }
    void keep(const torch::nn::Module& module, bool training) {
        for (const Tensor& buffer : module.buffers()) keep(buffer);
        if (!training) return;
        for (const Tensor& parameter : module.parameters()) keep(parameter);
    }
    void keep(const Tensor& tensor) {
        tensors_.emplace_back(tensor.detach(), tensor.detach().clone());
    }

    Model& model_;
    Loss* const loss_;
    Device& device_;
    const Tensor device_generator_state_;
    at::Generator cpu_generator_;  // which a model on another device may draw from too
    const Tensor cpu_generator_state_;
    const State model_state_;
    State loss_state_;
    std::vector<std::pair<Tensor, Tensor>> tensors_;
};

/// A step of the model's own whose losses are computed, and whose updates are not made.
class StepToLookAt final : public StepContext {
  public:
    StepToLookAt(Batch& batch, const ForwardPass& forward) : batch_(batch), forward_(forward) {}

    const Batch& batch() const override { return batch_; }
    void update(const std::string&, const std::function<Tensor()>& loss,
                std::optional<double>) override {
        const AutocastScope scope = forward_.autocast();
        (void)loss();
    }
    void record(const std::string&, const Tensor&) override {}
    void output(const std::string& name, BatchField value) override {
        batch_.set(name, std::move(value));
    }

  private:
    Batch& batch_;
    const ForwardPass& forward_;
};

bool is_about_one_value(const std::string& message) {
    // What torch::nn's batch norms say.
    return message.find("more than 1 value per channel") != std::string::npos;
}

}  // namespace

void Runner::rehearse() {
    if (!modules_.data.count(Phase::train) || workflow_.finished()) return;
    rehearse_smallest_batch();
    // Of a hook that may change them it is not known what the metrics will get.
    if (std::any_of(hooks_.all().begin(), hooks_.all().end(),
                    [](const auto& hook) { return hook->changes_evaluations(); }))
        return;
    bool knows_results = true;  // of all phases
    for (const Phase phase : {Phase::val, Phase::test}) {
        if (!modules_.data.count(phase)) continue;
        knows_results = rehearse_phase(phase) && knows_results;
    }
    if (!hooks_with_results(Phase::train).empty()) {
        // Synchronised batch norms would wait for ranks that have no samples.
        const bool may_run = !modules_.model->owns_step() && !sync_batch_norm_;
        knows_results = may_run && rehearse_phase(Phase::train) && knows_results;
    }
    if (!knows_results) return;
    plan_results(modules_, config_);
    Problems problems;
    for (const auto& hook : hooks_.all()) hook->check_results(modules_.plan, problems);
    problems.check();
}

/// Those that look at the first batch of a phase.
std::vector<size_t> Runner::hooks_with_results(Phase phase) const {
    std::vector<size_t> hooks;
    for (size_t i = 0; i < hooks_.size(); ++i)
        if (phase != Phase::train || !hooks_.all()[i]->result_names(phase).empty())
            hooks.push_back(i);
    return hooks;
}

/// Has the loss and the hooks look at the phase's first batch, if this rank has one and the model
/// takes it. What the training's model and loss refuse the first step tells as well.
bool Runner::rehearse_phase(Phase phase) {
    const bool training = phase == Phase::train;
    const PhaseData& data = modules_.data.at(phase);
    const at::NoGradGuard no_grad;
    Batch batch = data.loader->preview(data.loader->iteration());
    if (batch.size == 0) return false;
    if (!torch_device_.is_cpu()) move_to_device(batch, data.loader->options().pins);
    Untouched untouched(*modules_.model, modules_.loss.get(), device_, training);
    modules_.model->train(training);
    if (training) modules_.frozen_norms.apply();
    if (modules_.loss) modules_.loss->train(training);
    const auto where = [&](const std::string& text) {
        return concat(text, " (the first batch of data.", phase_name(phase),
                      ", looked at before the training)");
    };
    try {
        forward_.run_model(batch, phase);
    } catch (const std::exception& error) {
        // What is wrong with the data of train too is better told by the first step.
        if (!training) foreseen_ = std::make_exception_ptr(Error(where(error.what())));
        untouched.put_back();
        return false;
    }
    check_registered();
    if (!training && forward_.has_loss(phase)) {
        try {
            forward_.loss_terms(batch, batch.size);
        } catch (const std::exception& error) {
            throw ConfigError({{config_.loss.config.place, where(error.what())}});
        }
    }
    for (const size_t i : hooks_with_results(phase)) {
        try {
            hooks_.all()[i]->check_evaluation(*this, phase, batch);
        } catch (const ConfigError& error) {
            std::vector<Problem> problems = error.problems();
            for (Problem& problem : problems) problem.text = where(problem.text);
            throw ConfigError(std::move(problems));
        } catch (...) {
            rethrow_with(concat("hook \"", hooks_.name(i), "\""), where(""));
        }
    }
    untouched.put_back();
    return true;
}

/// Batch norms cannot train on one value a channel, which mostly the last batch of an epoch leaves
/// to a rank: refused before it comes.
void Runner::rehearse_smallest_batch() {
    Model& model = *modules_.model;
    if (modules_.frozen_norms.hold_all(model)) return;
    const Loader& loader = *modules_.data.at(Phase::train).loader;
    LoaderOptions options = loader.options();
    BatchPlan& plan = options.plan;
    if (sync_batch_norm_) {  // the samples of all ranks count
        if (job_.rank() > 0) return;
        plan.world_size = 1;
    }
    const int64_t last = plan.iterations() - 1;
    const int64_t left = progress_.total_train_iters - workflow_.position().train_iter;
    const bool comes_to_last = !config_.dry_run && loader.iteration() + left > last;
    int64_t smallest = 0;
    BatchMaker maker(options);
    const int64_t begin = loader.epoch() * plan.iterations();
    const auto size = [&](int64_t iteration) { return maker.slice(begin + iteration).size(); };
    const auto is_smaller = [&](int64_t iteration) {
        return size(iteration) > 0 && (size(smallest) == 0 || size(iteration) < size(smallest));
    };
    // All but the last are of one size, unless the sampler forms them.
    const int64_t first = plan.own_batches ? 0 : last;
    for (int64_t i = first; comes_to_last && i <= last; ++i)
        if (is_smaller(i)) smallest = i;
    const int64_t samples = size(smallest);
    if (samples == 0) return;
    // A step of its own may do what cannot be put back: it is looked at where it must be.
    if (model.owns_step() && samples > 1) return;

    const at::NoGradGuard no_grad;
    const auto fits = [&](const LoaderOptions& of, int64_t iteration) {
        MadeBatch made = BatchMaker(of).make(loader.epoch() * of.plan.iterations() + iteration, {});
        if (made.error) std::rethrow_exception(made.error);
        Batch& batch = made.batch;
        if (batch.size == 0) return true;
        if (!torch_device_.is_cpu()) move_to_device(batch, of.pins);
        Untouched untouched(model, nullptr, device_, /*training=*/true);
        model.train();
        modules_.frozen_norms.apply();
        bool fits = true;
        try {
            if (model.owns_step()) {
                const at::AutoGradMode grad(true);
                StepToLookAt step(batch, forward_);
                model.train_step(step);
            } else {
                forward_.run_model(batch, Phase::train);
            }
        } catch (const std::exception& error) {
            // Anything else comes again when the batch does.
            fits = !is_about_one_value(error.what());
        }
        check_registered();
        untouched.put_back();
        return fits;
    };
    // A model that takes one sample takes any number, and one is quickly read.
    LoaderOptions one = options;
    one.plan = {.samples = plan.samples};
    if (fits(one, 0) || (samples > 1 && fits(options, smallest))) return;
    const bool alone = job_.world_size() > 1 && !sync_batch_norm_;
    const std::string given =
        concat(samples, samples == 1 ? " sample" : " samples", alone ? " to a rank" : "",
               ", one value a channel for a ", "batch norm, which cannot train on it; ");
    const std::string what = smallest == last && last > 0
                                 ? concat("the last batch of an epoch (", plan.samples,
                                          " samples in batches of ", plan.batch_size, ") leaves ",
                                          given, "set drop_last: true, or another batch ", "size")
                                 : concat("a batch of ", maker.slice(begin).global_size, " leaves ",
                                          given, "give a larger batch size");
    throw ConfigError({{place_of(config_.source, "data.train_dataloader"),
                        concat(what, alone ? ", or sync_batch_norm: true in DDPHook" : "")}});
}

}  // namespace ailab
