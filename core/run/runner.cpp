#include "runner.hpp"

#include <ATen/ATen.h>

#include <filesystem>

#include "ailab/log.hpp"
#include "config/formats.hpp"
#include "dist/store_comm.hpp"
#include "error_context.hpp"

namespace ailab {

Runner::Runner(const RunConfig& config, Job& job, Device& device, c10::Device torch_device,
               Modules& modules, std::string run_dir)
    : config_(config),
      job_(job),
      device_(device),
      torch_device_(torch_device),
      modules_(modules),
      run_dir_(std::move(run_dir)),
      forward_(config, *modules.model, modules.loss.get()) {
    plan_length();
}

std::string Runner::config_text() const {
    return to_yaml(config_.resolved);
}

int64_t Runner::global_batch_size() const {
    const auto data = modules_.data.find(Phase::train);
    return data == modules_.data.end() ? 0 : data->second.loader->plan().batch_size;
}

// ---- hooks

void Runner::call(HookPoint point, const char* name) {
    for (size_t i = 0; i < modules_.hooks.size(); ++i) {
        try {
            (modules_.hooks[i].get()->*point)(*this);
        } catch (...) {
            rethrow_with(concat("hook \"", modules_.hook_names[i], "\", ", name));
        }
    }
}

void Runner::on_exception(const std::string& message) noexcept {
    // The other ranks still run, so an epoch's checkpoint need not be lost with the next one.
    writer_.finish_within(std::chrono::seconds(3));
    for (const auto& hook : modules_.hooks) {
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
    windows_[phase].push_back(window);
    return window;
}

void Runner::record(const std::string& name, const Tensor& mean, double weight) {
    const auto windows = windows_.find(progress_.phase);
    if (windows == windows_.end()) return;
    for (const auto& window : windows->second) window->add(name, mean, weight);
}

Timing Runner::timing() {
    const double n = double(std::max<int64_t>(1, timed_iterations_));
    const Timing mean{iteration_seconds_ / n, data_seconds_ / n};
    iteration_seconds_ = data_seconds_ = 0;
    timed_iterations_ = 0;
    return mean;
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
    if (stop_reason_.empty()) stop_reason_ = reason;
}

std::string Runner::output_folder(const std::optional<std::string>& given,
                                  const std::string& usual) const {
    if (given && !dry_run()) return *given;
    return (std::filesystem::path(run_dir_) / usual).string();
}

std::vector<std::pair<std::string, double>> Runner::loss_values() {
    return {};
}
double Runner::grad_norm() {
    return grad_norm_.value_or(0);
}
void Runner::skip_step(const std::string& reason) {
    skip_reason_ = reason;
}
bool Runner::roll_back(const std::string& reason) {
    roll_back_reason_ = reason;
    return false;
}
void Runner::save_weights(const std::string&) {}

// ---- checkpoints

void Runner::save_checkpoint(const std::string& path) {
    for (size_t i = 0; i < modules_.hooks.size(); ++i) {
        try {
            modules_.hooks[i]->before_save_checkpoint(*this, path);
        } catch (...) {
            rethrow_with(concat("hook \"", modules_.hook_names[i], "\", before_save_checkpoint"));
        }
    }
    broadcast_buffers();
    Checkpoint checkpoint;
    for (const auto& item : modules_.model->named_parameters())
        checkpoint.model.emplace_back(item.key(), item.value().detach());
    for (const auto& item : modules_.model->named_buffers())
        checkpoint.model.emplace_back(item.key(), item.value().detach());

    checkpoint.modules["model"] = modules_.model->save_state();
    if (modules_.loss) {
        State state = modules_.loss->save_state();
        for (const auto& item : modules_.loss->named_parameters())
            state.tensors["param/" + item.key()] = item.value().detach();
        for (const auto& item : modules_.loss->named_buffers())
            state.tensors["buffer/" + item.key()] = item.value().detach();
        checkpoint.modules["loss"] = std::move(state);
    }
    for (const auto& [name, optimizer] : modules_.optimizers)
        checkpoint.modules[name.empty() ? "optimizer" : "optimizer." + name] =
            optimizer->save_state();
    for (size_t i = 0; i < modules_.hooks.size(); ++i)
        checkpoint.modules["hook." + modules_.hook_names[i]] = modules_.hooks[i]->save_state();

    Node& run = checkpoint.run.values;
    run.set("seed", Node(int64_t(config_.seed)));
    run.set("epoch", Node(position_.epoch));
    run.set("workflow_entry", Node(int64_t(position_.entry)));
    run.set("workflow_repeat", Node(position_.repeat));
    run.set("iter", Node(position_.iter));
    run.set("step", Node(position_.step));
    run.set("train_seconds", Node(train_seconds_));
    run.set("train_samples", Node(train_samples_));
    if (const auto train = modules_.data.find(Phase::train); train != modules_.data.end()) {
        const Loader& loader = *train->second.loader;
        run.set("data_epoch", Node(loader.epoch()));
        run.set("data_samples_dealt", Node(loader.plan().samples_after(loader.iteration())));
        run.set("global_batch_size", Node(loader.plan().batch_size));
    }
    // The generator is seeded for each step from (seed, step, rank); its state is kept all the
    // same, for hooks and models that draw between steps.
    checkpoint.rank.tensors["generator"] = device_.rng_state();

    checkpoint.manifest.set("epoch", Node(position_.epoch));
    checkpoint.manifest.set("step", Node(position_.step));
    checkpoint.manifest.set("world_size", Node(int64_t(job_.world_size())));
    checkpoint.manifest.set("model", Node::string(config_.model.type()));
    checkpoint.manifest.set("config", Node::string(config_text()));
    writer_.write(path, config_.work_dir + "/last_checkpoint", checkpoint,
                  make_store_comm(job_, concat("checkpoint-", checkpoints_++)));
}

}  // namespace ailab
