// The run from before_run to after_run, and its phases.
#include <algorithm>

#include "ailab/log.hpp"
#include "host/error_context.hpp"
#include "log/result_stream.hpp"
#include "runner.hpp"
#include "work_dir/leftovers.hpp"
#include "work_dir/run_end.hpp"

namespace ailab {

namespace {

/// What plugins and the libraries behind them may have done to the process when they began.
void take_back_process() {
    dist::take_back_signals();
    occupy_closed_streams();
}

}  // namespace

/// A run that goes on though it has come to its end.
void Runner::say_if_trained() const {
    if (resumed_from_.empty() || !workflow_.finished()) return;
    if (!stop_reason_.empty())
        log_info("no training is left: the run has ended early (", stop_reason_, ")");
    else if (config_.total_iters)
        log_info("no training is left: the run has had all ", *config_.total_iters,
                 " iterations; raise total_iters to train on");
    else
        log_info("no training is left: the run has had all ", *config_.total_epochs,
                 " epochs; raise total_epochs to train on");
}

/// What accumulation costs with this loss.
void Runner::say_if_terms_stay_apart() const {
    if (config_.accumulative_counts == 1 || modules_.model->owns_step() ||
        !forward_.has_own_weights() || forward_.weight_source() != WeightSource::predictions)
        return;
    log_info(forward_.loss_label(), ": the weights of its ", forward_.term_count(),
             " terms are known after the forward pass alone: while ", config_.accumulative_counts,
             " iterations accumulate one gradient a term is kept");
}

void Runner::run() {
    beat();
    call_before_run();
    if (job_.rank() == 0 && !checkpoint_folder_.starts_with(run_dir_ + "/"))
        for (const std::string& line : remove_leftovers_of_dead(checkpoint_folder_))
            log_info("left by a run that was killed: ", line);
    if (!resumed_from_.empty()) call_after_load(resumed_from_);
    check_savable();
    say_if_terms_stay_apart();
    say_if_trained();
    job_.doing("looking at the first batches");
    rehearse();
    dist::set_graceful_stop(true);
    while (const auto phase = workflow_.next()) {
        phase == Phase::train ? train_epoch() : evaluate_epoch(*phase);
        if (stop_signal_ != 0) break;  // the position is to stay as it was saved
    }
    beat();
    job_.doing("waiting for the checkpoint that is being saved");
    writer_.wait();
    dist::set_run_complete();
    if (stop_reason_.empty() && resumed_from_.empty() && gradient_watch_.steps() > 0 &&
        !config_.dry_run)
        tell_never_reached("the whole run");
    if (!stop_reason_.empty()) log_info("the run ends early: ", stop_reason_);
    if (job_.rank() == 0)
        write_run_end(run_dir_, stop_reason_.empty() ? "done" : "stopped: " + stop_reason_);
    call(&Hook::after_run, "after_run");
    job_.doing("waiting for the checkpoint that is being saved");
    writer_.wait();
    job_.doing("closing");
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
    if (phase == Phase::train) modules_.frozen_norms.apply();
    if (modules_.loss) modules_.loss->train(phase == Phase::train);
    beat();
}

void Runner::train_epoch() {
    Loader& loader = *modules_.data.at(Phase::train).loader;
    const int64_t iterations =
        workflow_.begin_training(loader.plan().iterations() - loader.iteration());
    const int64_t epoch = progress_.epoch = workflow_.position().epoch;
    begin_phase(Phase::train, iterations);
    progress_.iter = workflow_.position().iter;
    progress_.samples = loader.plan().samples_after(progress_.iter);
    step_.begin({});  // what was broken off is
    ahead_.clear();
    looks_at_registered_ = true;
    call(&Hook::before_train_epoch, "before_train_epoch");
    take_back_process();
    const auto begin = Clock::now();
    last_timing_ = begin;
    const int64_t first = progress_.iter;
    while (progress_.iter < iterations && stop_reason_.empty()) {
        train_iteration();
        if (progress_.iter == first) {
            loading_ = {};        // that one waited for the loader to start
            take_back_process();  // and libraries begin with their first use
        }
        ++progress_.iter;
    }
    step_.settle();
    train_seconds_ += seconds(Clock::now() - begin);
    check_registered();
    sample_report_.tell(loader, epoch);
    tell_loading_advice(loading_, loader.options());
    if (stop_signal_ != 0) return;  // the epoch goes on when the run does
    sample_report_.expect_any(loader);
    if (progress_.iter >= iterations) workflow_.trained();  // unless the run was stopped in it
    if (progress_.iter > 0) --progress_.iter;               // of the last iteration, for hooks
    call(&Hook::after_train_epoch, "after_train_epoch");
    call_after_results(Phase::train);
}

void Runner::evaluate_epoch(Phase phase) {
    const at::NoGradGuard no_grad;
    Loader& loader = *modules_.data.at(phase).loader;
    // A model may draw; an evaluation that is broken off and done again draws the same.
    const Tensor generator = device_.rng_state();
    int64_t iterations = loader.plan().iterations();
    if (config_.dry_run) iterations = std::min<int64_t>(iterations, 2);
    begin_phase(phase, iterations);
    broadcast_buffers();
    put_in_evaluation_weights();
    const bool val = phase == Phase::val;
    call(val ? &Hook::before_val_epoch : &Hook::before_test_epoch, "before epoch");
    take_back_process();
    evaluator_.begin(phase);
    const auto begin = Clock::now();
    last_timing_ = begin;
    while (progress_.iter < iterations) {
        if (stops_now(progress_.iter)) {
            call(&Hook::abandon_evaluation, "abandon_evaluation");
            evaluation_weights_.take_out();
            device_.set_rng_state(generator);
            progress_.phase = Phase::train;
            return serve_requests();  // the evaluation is done again when the run goes on
        }
        evaluate_iteration();
        ++progress_.iter;
    }
    sample_report_.tell(loader, progress_.epoch);
    sample_report_.expect_any(loader);
    if (iterations > 0) --progress_.iter;
    workflow_.evaluated(phase);
    for (const auto& [name, value] : evaluator_.finish()) publish(name, value);
    call(val ? &Hook::after_val_epoch : &Hook::after_test_epoch, "after epoch");
    evaluation_weights_.take_out();
    call_after_results(phase);
    progress_.phase = Phase::train;
    serve_requests();
}

}  // namespace ailab
