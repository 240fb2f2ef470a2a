// The phases of the workflow and how often they run.
#include "ailab/log.hpp"
#include "error_context.hpp"
#include "runner.hpp"

namespace ailab {

namespace {

Phase phase_of(const std::string& name) {
    return name == "train" ? Phase::train : name == "val" ? Phase::val : Phase::test;
}

}  // namespace

/// Steps of the whole run, for schedules and the time that is left.
void Runner::plan_length() {
    progress_.total_epochs = config_.total_epochs.value_or(0);
    if (config_.total_iters) {
        progress_.total_steps = *config_.total_iters;
        return;
    }
    const auto train = modules_.data.find(Phase::train);
    if (train == modules_.data.end()) return;
    const int64_t epoch = train->second.loader->plan().iterations();
    int64_t round_epochs = 0, round_steps = 0;
    bool by_iters = false;
    for (const WorkflowStep& step : config_.workflow) {
        if (step.phase != "train") continue;
        by_iters = by_iters || step.iters;
        round_epochs += step.epochs;
        round_steps += step.iters ? *step.iters : epoch * step.epochs;
    }
    if (by_iters)
        progress_.total_steps = round_steps * progress_.total_epochs;
    else if (round_epochs > 0)
        progress_.total_steps = epoch * progress_.total_epochs;
}

bool Runner::finished() const {
    if (!stop_reason_.empty()) return true;
    return config_.total_iters ? position_.step >= *config_.total_iters
                               : position_.epoch >= *config_.total_epochs;
}

void Runner::run() {
    beat();
    call(&Hook::before_run, "before_run");
    const bool trains = modules_.data.count(Phase::train) != 0;
    while (!finished()) {
        const int64_t epoch = position_.epoch;
        for (position_.entry = 0; position_.entry < config_.workflow.size(); ++position_.entry)
            run_entry(config_.workflow[position_.entry]);
        if (position_.epoch == epoch) ++position_.epoch;
        if (!trains && config_.total_iters) break;
    }
    writer_.wait();
    if (!stop_reason_.empty()) log_info("the run ends early: ", stop_reason_);
    call(&Hook::after_run, "after_run");
}

void Runner::run_entry(const WorkflowStep& step) {
    const Phase phase = phase_of(step.phase);
    for (position_.repeat = 0; position_.repeat < step.epochs;) {
        if (!stop_reason_.empty() || (phase == Phase::train && finished())) break;
        phase == Phase::train ? train_epoch(step) : evaluate_epoch(phase);
    }
    position_.repeat = 0;
}

void Runner::begin_phase(Phase phase, int64_t iterations) {
    const BatchPlan& plan = modules_.data.at(phase).loader->plan();
    progress_.phase = phase;
    progress_.iter = 0;
    progress_.iters = iterations;
    progress_.samples = 0;
    progress_.total_samples = plan.samples_after(iterations);
    results_[phase].clear();
    modules_.model->train(phase == Phase::train);
    if (modules_.loss) modules_.loss->train(phase == Phase::train);
    beat();
}

void Runner::train_epoch(const WorkflowStep& step) {
    Loader& loader = *modules_.data.at(Phase::train).loader;
    const int64_t whole = loader.plan().iterations();
    int64_t iterations = step.iters ? *step.iters : whole - loader.iteration();
    if (config_.total_iters)
        iterations = std::min(iterations, *config_.total_iters - position_.step);
    progress_.epoch = position_.epoch;
    begin_phase(Phase::train, iterations);
    call(&Hook::before_train_epoch, "before_train_epoch");
    const auto begin = Clock::now();
    last_timing_ = begin;
    while (progress_.iter < iterations && stop_reason_.empty()) {
        train_iteration();
        ++progress_.iter;
    }
    train_seconds_ += seconds(Clock::now() - begin);
    // From here on the epoch is complete, unless the run was stopped in it: a checkpoint that hooks
    // write now resumes behind it. A workflow by iterations counts its rounds as epochs, in run().
    if (progress_.iter == iterations) {
        if (!step.iters) ++position_.epoch;
        ++position_.repeat;
        position_.iter = 0;
    }
    if (progress_.iter > 0) --progress_.iter;  // of the last iteration, for hooks
    call(&Hook::after_train_epoch, "after_train_epoch");
}

void Runner::evaluate_epoch(Phase phase) {
    const at::NoGradGuard no_grad;
    Loader& loader = *modules_.data.at(phase).loader;
    const int64_t iterations = loader.plan().iterations();
    begin_phase(phase, iterations);
    broadcast_buffers();
    const bool val = phase == Phase::val;
    call(val ? &Hook::before_val_epoch : &Hook::before_test_epoch, "before epoch");
    Meters sums(job_);
    const auto begin = Clock::now();
    last_timing_ = begin;
    while (progress_.iter < iterations) {
        evaluate_iteration(sums);
        ++progress_.iter;
    }
    if (iterations > 0) --progress_.iter;
    ++position_.repeat;
    double total = 0;
    const auto terms = sums.reduce();
    for (const auto& [name, value] : terms) total += value;
    if (!terms.empty()) publish("loss", total);
    if (terms.size() > 1)
        for (const auto& [name, value] : terms) publish(name, value);
    call(val ? &Hook::after_val_epoch : &Hook::after_test_epoch, "after epoch");
    progress_.phase = Phase::train;
}

}  // namespace ailab
