#include "runner.hpp"

#include <ATen/ATen.h>

#include <filesystem>

#include "ailab/log.hpp"
#include "config/formats.hpp"
#include "host/error_context.hpp"
#include "phase_data.hpp"

namespace ailab {

namespace {

std::unique_ptr<SyncBatchNorm> make_sync_batch_norm(const Modules& modules, Job& job,
                                                    c10::Device device) {
    if (!modules.step.sync_batch_norm || job.world_size() == 1) return nullptr;
    std::vector<torch::nn::Module*> all = {modules.model.get()};
    if (modules.loss) all.push_back(modules.loss.get());
    return std::make_unique<SyncBatchNorm>(job, device, all);
}

std::optional<int64_t> training_iterations(const Modules& modules) {
    const auto train = modules.data.find(Phase::train);
    if (train == modules.data.end()) return std::nullopt;
    return train->second.loader->plan().iterations();
}

StepParts step_parts(const RunConfig& config, Job& job, Device& device, c10::Device torch_device,
                     const Modules& modules, const ForwardPass& forward, SyncBatchNorm* sync) {
    const auto train = modules.data.find(Phase::train);
    StepParts parts{.model = *modules.model,
                    .loss = modules.loss.get(),
                    .forward = forward,
                    .updates = modules.updates,
                    .comm = job,
                    .device = device,
                    .sync_batch_norm = sync,
                    .torch_device = torch_device,
                    .clip = config.clip_grad,
                    .find_unused_parameters = modules.step.find_unused_parameters,
                    .seed = config.seed};
    if (modules.step.autocast && modules.step.autocast->dtype == at::kHalf)
        parts.scaling = modules.step.autocast;
    if (train != modules.data.end()) parts.may_skip = train->second.loader->options().may_skip();
    return parts;
}

RegisteredTensors registered_by(const Modules& modules, const RunConfig& config) {
    std::vector<RegisteredTensors::Owner> owners = {
        {modules.model.get(), concat("model \"", config.model.type(), "\"")}};
    if (modules.loss)
        owners.push_back({modules.loss.get(), concat("loss \"", config.loss.type(), "\"")});
    return RegisteredTensors(std::move(owners));
}

}  // namespace

Runner::Runner(const RunConfig& config, Job& job, Device& device, c10::Device torch_device,
               Modules& modules, std::string run_dir)
    : config_(config),
      job_(job),
      device_(device),
      torch_device_(torch_device),
      modules_(modules),
      resolved_(with_default_transforms(config, modules.data)),
      run_dir_(std::move(run_dir)),
      hooks_(modules.hooks, modules.hook_names, job),
      before_train_iter_(hooks_.iteration_point(&Hook::before_train_iter, "before_train_iter",
                                                &IterationPoints::before_train_iter)),
      after_backward_(hooks_.iteration_point(&Hook::after_backward, "after_backward",
                                             &IterationPoints::after_backward)),
      before_step_(
          hooks_.iteration_point(&Hook::before_step, "before_step", &IterationPoints::before_step)),
      after_step_(
          hooks_.iteration_point(&Hook::after_step, "after_step", &IterationPoints::after_step)),
      after_train_iter_(hooks_.iteration_point(&Hook::after_train_iter, "after_train_iter",
                                               &IterationPoints::after_train_iter)),
      sync_batch_norm_(make_sync_batch_norm(modules, job, torch_device)),
      forward_(config, *modules.model, modules.loss.get(), modules.step.autocast,
               torch_device.type()),
      step_(
          step_parts(config, job, device, torch_device, modules, forward_, sync_batch_norm_.get()),
          *this),
      evaluator_(forward_, job),
      registered_(registered_by(modules, config)),
      workflow_(workflow_plan(config, training_iterations(modules))),
      checkpoint_folder_(run_dir_ + "/checkpoints"),
      sample_report_(job, run_dir_) {
    for (const auto& [name, update] : modules.updates) gradient_watch_.add(update->gradients());
    tell_ranks();
    const RunLength length = workflow_.length();
    progress_.total_epochs = length.epochs;
    progress_.total_train_iters = length.train_iters;
    progress_.total_steps = length.steps;
}

void Runner::tell_ranks() {
    const auto tell = [this](Stateful& module) { module.set_rank(job_.rank(), job_.world_size()); };
    tell(*modules_.model);
    if (modules_.loss) tell(*modules_.loss);
    for (const auto& [name, update] : modules_.updates) tell(update->optimizer());
    hooks_.each("set_rank", [&](Hook& hook, const std::string&) { tell(hook); });
}

std::string Runner::config_text() const {
    return to_yaml(resolved_);
}

int64_t Runner::global_batch_size() const {
    const auto data = modules_.data.find(Phase::train);
    return data == modules_.data.end() ? 0 : data->second.loader->plan().batch_size;
}

const Dataset* Runner::dataset(Phase phase) const {
    const auto data = modules_.data.find(phase);
    return data == modules_.data.end() ? nullptr : data->second.dataset.get();
}

const Task& Runner::task() {
    if (!modules_.task) {
        const Dataset* now = dataset(progress_.phase);
        modules_.task =
            task_of(config_, modules_, now ? *now : *modules_.data.begin()->second.dataset).task;
    }
    return *modules_.task;
}

// ---- hooks

void Runner::call(HookList::Point point, const char* name) {
    hooks_.call(*this, point, name);
}

void Runner::call_before_run() {
    for (size_t i = 0; i < hooks_.size(); ++i) {
        opening_hook_ = hooks_.name(i);
        try {
            hooks_.call(*this, i, &Hook::before_run, "before_run");
        } catch (const ConfigError& error) {
            // What is wrong with the hook as such is at its own place.
            std::vector<Problem> problems = error.problems();
            for (Problem& problem : problems)
                if (problem.place.str().empty())
                    problem.place = place_of(config_.source, "hooks." + opening_hook_);
            throw ConfigError(std::move(problems));
        }
    }
    opening_hook_.clear();
    saved_windows_.clear();
}

void Runner::call_after_load(const std::string& checkpoint) {
    hooks_.each("after_load_checkpoint", [&](Hook& hook, const std::string&) {
        hook.after_load_checkpoint(*this, checkpoint);
    });
}

void Runner::call_after_results(Phase phase) {
    hooks_.each("after_results",
                [&](Hook& hook, const std::string&) { hook.after_results(*this, phase); });
}

void Runner::put_in_evaluation_weights() {
    std::vector<std::pair<Tensor, Tensor>> weights;
    hooks_.each("evaluation_weights", [&](Hook& hook, const std::string&) {
        if (weights.empty()) weights = hook.evaluation_weights();
    });
    evaluation_weights_.put_in(weights);
}

void Runner::on_exception(const std::string& message) noexcept {
    // The other ranks still run, so an epoch's checkpoint need not be lost with the next one.
    writer_.finish_within(std::chrono::seconds(3));
    evaluation_weights_.take_out();
    for (const auto& hook : hooks_.all()) {
        try {
            hook->on_exception(*this, message);
        } catch (const std::exception& error) {
            log_warning("a hook's on_exception failed too: ", error.what());
        }
    }
}

void Runner::beat() noexcept {
    job_.beat({phase_name(progress_.phase), progress_.epoch, progress_.iter, progress_.step});
}

// ---- scalars

std::shared_ptr<MeterWindow> Runner::open_window(Phase phase) {
    auto window = std::make_shared<Meters>(job_);
    std::vector<std::shared_ptr<Meters>>& all = windows_[size_t(phase)];
    all.push_back(window);
    // A hook's first, second, … window of a phase is the same one in the run that goes on.
    int64_t number = 0;
    std::string key;
    do {
        key = concat(opening_hook_, "/", phase_name(phase), "/", number++);
    } while (named_windows_.count(key));
    named_windows_[key] = window;
    if (const auto saved = saved_windows_.find(key); saved != saved_windows_.end())
        window->load(saved->second);
    return window;
}

void Runner::record(const std::string& name, const Tensor& mean, double weight) {
    for (const auto& window : windows_[size_t(progress_.phase)]) window->add(name, mean, weight);
}

Timing Runner::timing() const {
    Timing timing = timing_;
    timing.read = stage_times_.seconds(LoadStage::read);
    timing.decode = stage_times_.seconds(LoadStage::decode);
    timing.transform = stage_times_.seconds(LoadStage::transform);
    return timing;
}

const std::vector<std::pair<std::string, double>>& Runner::results(Phase phase) const {
    static const std::vector<std::pair<std::string, double>> none;
    const auto found = results_.find(phase);
    return found == results_.end() ? none : found->second;
}

void Runner::publish(const std::string& name, double value) {
    auto& results = results_[progress_.phase];
    for (auto& [known, old] : results)
        if (known == name) {
            old = value;
            return;
        }
    results.emplace_back(name, value);
}

void Runner::stop(const std::string& reason) {
    workflow_.stop();
    if (stop_reason_.empty()) stop_reason_ = reason.empty() ? "no reason was given" : reason;
}

std::string Runner::output_folder(const std::optional<std::string>& given,
                                  const std::string& usual) const {
    if (given && !dry_run()) return *given;
    return (std::filesystem::path(run_dir_) / usual).string();
}

}  // namespace ailab