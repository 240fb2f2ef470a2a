// The phases of the workflow and how often they run.
#include <algorithm>
#include <limits>

#include "ailab/log.hpp"
#include "error_context.hpp"
#include "leftovers.hpp"
#include "run_end.hpp"
#include "runner.hpp"

namespace ailab {

namespace {

Phase phase_of(const std::string& name) {
    return name == "train" ? Phase::train : name == "val" ? Phase::val : Phase::test;
}

}  // namespace

/// Steps and iterations of the whole run, for schedules and the time that is left. A step never
/// reaches over the end of a phase.
void Runner::plan_length() {
    progress_.total_epochs = config_.total_epochs.value_or(0);
    const auto train = modules_.data.find(Phase::train);
    if (train == modules_.data.end()) return;
    const int64_t accumulate = config_.accumulative_counts;
    const int64_t epoch = train->second.loader->plan().iterations();
    struct Length {
        int64_t epochs = 0, iterations = 0, steps = 0;
    } round;
    struct Phases {
        int64_t count, iterations;
    };
    std::vector<Phases> entries;  // training phases of a round, alike and one after another
    bool by_iters = false;
    double iterations_of_all = 0;
    for (const WorkflowStep& step : config_.workflow) {
        if (step.phase != "train") continue;
        by_iters = by_iters || step.iters;
        round.epochs += step.epochs;
        entries.push_back({step.epochs, step.iters.value_or(epoch)});
        iterations_of_all += double(step.epochs) * double(entries.back().iterations);
    }
    if (config_.total_epochs && !config_.total_iters)
        iterations_of_all *= double(*config_.total_epochs);
    constexpr double most = 1e15;
    if (iterations_of_all > most)
        throw ConfigError({{place_of(config_.source, "total_epochs"),
                            concat("the run would take ", iterations_of_all,
                                   " iterations; at most ", most, " can be counted")}});
    for (const Phases& entry : entries) {
        round.iterations += entry.count * entry.iterations;
        round.steps += entry.count * steps_of(entry.iterations, accumulate);
    }
    if (config_.total_iters) {
        const int64_t total = *config_.total_iters;
        progress_.total_train_iters = total;
        progress_.total_steps = total / round.iterations * round.steps;
        int64_t left = total % round.iterations;
        for (const Phases& entry : entries) {
            const int64_t whole = std::min(entry.count, left / entry.iterations);
            progress_.total_steps += whole * steps_of(entry.iterations, accumulate);
            left -= whole * entry.iterations;
            if (whole == entry.count) continue;
            progress_.total_steps += steps_of(left, accumulate);
            left = 0;
        }
        return;
    }
    const int64_t epochs = progress_.total_epochs;
    progress_.total_steps = by_iters ? round.steps * epochs : steps_of(epoch, accumulate) * epochs;
    progress_.total_train_iters = by_iters ? round.iterations * epochs : epoch * epochs;
}

bool Runner::finished() const {
    if (!stop_reason_.empty()) return true;
    return config_.total_iters ? position_.train_iter >= *config_.total_iters
                               : position_.epoch >= *config_.total_epochs;
}

/// A run that goes on though it has come to its end.
void Runner::say_if_trained() const {
    if (resumed_from_.empty() || !finished()) return;
    if (!stop_reason_.empty())
        log_info("no training is left: the run has ended early (", stop_reason_, ")");
    else if (config_.total_iters)
        log_info("no training is left: the run has had all ", *config_.total_iters,
                 " iterations; raise total_iters to train on");
    else
        log_info("no training is left: the run has had all ", *config_.total_epochs,
                 " epochs; raise total_epochs to train on");
}

void Runner::run() {
    beat();
    call_before_run();
    if (job_.rank() == 0 && !checkpoint_folder_.starts_with(run_dir_ + "/"))
        for (const std::string& line : remove_leftovers_of_dead(checkpoint_folder_))
            log_info("left by a run that was killed: ", line);
    if (!resumed_from_.empty()) call_after_load(resumed_from_);
    check_savable();
    say_if_trained();
    job_.doing("looking at the first batches");
    rehearse();
    dist::set_graceful_stop(true);
    const bool trains = modules_.data.count(Phase::train) != 0;
    bool goes_on = !resumed_from_.empty();  // with the entry where it stood
    // What is left of a last round: its evaluations. An epoch of training that stands beyond an end
    // that was set back is not gone on with.
    const auto has_rest = [this] {
        const bool in_training =
            position_.iter > 0 && phase_of(config_.workflow[position_.entry].phase) == Phase::train;
        if (in_training && !config_.total_iters) return false;
        return position_.entry > 0 || position_.repeat > 0 || position_.iter > 0;
    };
    while (!finished() || (goes_on && has_rest())) {
        if (!goes_on) {
            position_.entry = 0;
            round_epoch_ = position_.epoch;
        }
        goes_on = false;
        for (; position_.entry < config_.workflow.size(); ++position_.entry) {
            run_entry(config_.workflow[position_.entry]);
            if (stop_signal_ != 0) break;
        }
        if (stop_signal_ != 0) break;
        if (position_.epoch == round_epoch_) ++position_.epoch;
        position_.entry = 0;
        if (config_.dry_run || (!trains && config_.total_iters)) break;
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

/// Whether an evaluation takes place in this round.
bool Runner::is_due(const WorkflowStep& step) const {
    if (step.phase != "val" || config_.val_interval == 1 || config_.dry_run) return true;
    const bool counted = position_.epoch != round_epoch_;  // a training phase has counted the round
    const int64_t rounds = position_.epoch + (counted ? 0 : 1);
    const bool last = config_.total_iters ? position_.train_iter >= *config_.total_iters
                                          : rounds >= *config_.total_epochs;
    return last || rounds % config_.val_interval == 0;
}

/// Whether this is the last iteration of the last phase.
bool Runner::ends_with_phase() const {
    const WorkflowStep& step = config_.workflow[position_.entry];
    const bool train = progress_.phase == Phase::train && phase_of(step.phase) == Phase::train;
    if (train && progress_.iter + 1 < progress_.iters) return false;
    if (!train && position_.repeat == 0) return false;  // an evaluation that was broken off
    if (position_.repeat + (train ? 1 : 0) < step.epochs) return false;
    // This epoch or round is counted when its training is over, or later.
    const bool counted = !train && position_.epoch != round_epoch_;
    const int64_t rounds = position_.epoch + (counted ? 0 : 1);
    const bool trained = config_.total_iters ? position_.train_iter >= *config_.total_iters
                                             : rounds >= *config_.total_epochs;
    return trained && std::none_of(config_.workflow.begin() + ptrdiff_t(position_.entry) + 1,
                                   config_.workflow.end(),
                                   [this](const WorkflowStep& next) { return is_due(next); });
}

void Runner::run_entry(const WorkflowStep& step) {
    const Phase phase = phase_of(step.phase);
    if (!is_due(step)) return;
    // What was to be trained since the last evaluation of these weights is beyond the run's end.
    if (cut_short_ && phase != Phase::train && evaluated_step_[size_t(phase)] == position_.step)
        return;
    while (position_.repeat < step.epochs) {
        if (!stop_reason_.empty()) break;
        if (phase == Phase::train && position_.iter == 0 && finished()) {
            cut_short_ = true;
            break;
        }
        phase == Phase::train ? train_epoch(step) : evaluate_epoch(phase);
        if (stop_signal_ != 0) return;  // the position is to stay as it was saved
        if (config_.dry_run) break;
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
    if (phase == Phase::train) modules_.frozen_norms.apply();
    if (modules_.loss) modules_.loss->train(phase == Phase::train);
    beat();
}

/// How many iterations the training phase has that begins, or goes on, now.
int64_t Runner::train_iterations(const WorkflowStep& step) {
    const Loader& loader = *modules_.data.at(Phase::train).loader;
    if (position_.iter == 0)
        position_.iters =
            step.iters ? *step.iters : loader.plan().iterations() - loader.iteration();
    int64_t iterations = position_.iters;
    if (config_.total_iters)
        iterations =
            std::min(iterations, position_.iter + *config_.total_iters - position_.train_iter);
    if (config_.dry_run) iterations = std::min(iterations, 2 * config_.accumulative_counts);
    return iterations;
}

void Runner::train_epoch(const WorkflowStep& step) {
    const int64_t iterations = train_iterations(step);
    progress_.epoch = position_.epoch;
    begin_phase(Phase::train, iterations);
    progress_.iter = position_.iter;
    progress_.samples = modules_.data.at(Phase::train).loader->plan().samples_after(progress_.iter);
    window_ = {progress_.iter, progress_.iter, 0};
    looks_at_registered_ = true;
    call(&Hook::before_train_epoch, "before_train_epoch");
    const auto begin = Clock::now();
    last_timing_ = begin;
    const int64_t first = progress_.iter;
    while (progress_.iter < iterations && stop_reason_.empty()) {
        train_iteration();
        if (progress_.iter == first) loading_ = {};  // that one waited for the loader to start
        ++progress_.iter;
    }
    train_seconds_ += seconds(Clock::now() - begin);
    check_registered();
    const Loader& loader = *modules_.data.at(Phase::train).loader;
    sample_report_.tell(*modules_.data.at(Phase::train).loader, position_.epoch);
    tell_loading_advice(loading_, loader.options());
    if (stop_signal_ != 0) return;  // the epoch goes on when the run does
    sample_report_.expect_any(loader);
    // From here on the epoch is complete, unless the run was stopped in it: a checkpoint that hooks
    // write now resumes behind it. A workflow by iterations counts its rounds as epochs, in run().
    if (progress_.iter >= iterations) {
        if (!step.iters) ++position_.epoch;
        ++position_.repeat;
        position_.iter = position_.iters = 0;
    }
    if (progress_.iter > 0) --progress_.iter;  // of the last iteration, for hooks
    call(&Hook::after_train_epoch, "after_train_epoch");
}

/// A term of which no target counts is NaN, as with PyTorch, and so is the loss. Collective.
void Runner::publish_loss(Meters& sums) {
    const auto counted = sums.reduce();
    if (!forward_.has_loss()) return;
    std::vector<std::pair<std::string, double>> terms;
    double total = 0;
    for (size_t i = 0; i < forward_.term_count(); ++i) {
        const std::string& name = forward_.term_name(i);
        const auto found = std::find_if(counted.begin(), counted.end(),
                                        [&](const auto& term) { return term.first == name; });
        const bool counts = found != counted.end();
        terms.emplace_back(name, counts ? found->second : std::numeric_limits<double>::quiet_NaN());
        total += terms.back().second;
        const std::string phase = phase_name(progress_.phase);
        if (counts || !told_terms_.insert(phase + "/" + name).second || job_.rank() != 0) continue;
        log_warning(phase, ": none of the targets counts in ", forward_.loss_label(),
                    forward_.term_count() > 1 ? concat(", term \"", name, "\"") : "",
                    ": all are ignored, or weigh nothing. Its value is nan; check the labels, and "
                    "the loss's ignore_index and weight");
    }
    publish("loss", total);
    if (terms.size() > 1)
        for (const auto& [name, value] : terms) publish(name, value);
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
    const bool val = phase == Phase::val;
    call(val ? &Hook::before_val_epoch : &Hook::before_test_epoch, "before epoch");
    Meters sums(job_);
    const auto begin = Clock::now();
    last_timing_ = begin;
    while (progress_.iter < iterations) {
        if (stops_now(progress_.iter)) {
            call(&Hook::abandon_evaluation, "abandon_evaluation");
            device_.set_rng_state(generator);
            progress_.phase = Phase::train;
            return serve_requests();  // the evaluation is done again when the run goes on
        }
        evaluate_iteration(sums);
        ++progress_.iter;
    }
    sample_report_.tell(loader, progress_.epoch);
    sample_report_.expect_any(loader);
    if (iterations > 0) --progress_.iter;
    ++position_.repeat;
    evaluated_step_[size_t(phase)] = position_.step;
    publish_loss(sums);
    call(val ? &Hook::after_val_epoch : &Hook::after_test_epoch, "after epoch");
    progress_.phase = Phase::train;
    serve_requests();
}

}  // namespace ailab
