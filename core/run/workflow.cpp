#include "workflow.hpp"

#include <algorithm>

namespace ailab {

WorkflowPlan workflow_plan(const RunConfig& config, std::optional<int64_t> epoch_iterations) {
    return {.entries = config.workflow,
            .total_epochs = config.total_epochs,
            .total_iters = config.total_iters,
            .total_epochs_place = place_of(config.source, "total_epochs"),
            .val_interval = config.val_interval,
            .accumulate = config.accumulative_counts,
            .dry_run = config.dry_run,
            .epoch_iterations = epoch_iterations};
}

RunLength Workflow::length() const {
    RunLength length;
    length.epochs = plan_.total_epochs.value_or(0);
    if (!trains()) return length;
    const int64_t epoch = *plan_.epoch_iterations;
    struct Length {
        int64_t epochs = 0, iterations = 0, steps = 0;
    } round;
    struct Phases {
        int64_t count, iterations;
    };
    std::vector<Phases> entries;  // training phases of a round, alike and one after another
    bool by_iters = false;
    double iterations_of_all = 0;
    for (const WorkflowStep& step : plan_.entries) {
        if (phase_of(step.phase) != Phase::train) continue;
        by_iters = by_iters || step.iters;
        round.epochs += step.epochs;
        entries.push_back({step.epochs, step.iters.value_or(epoch)});
        iterations_of_all += double(step.epochs) * double(entries.back().iterations);
    }
    if (plan_.total_epochs && !plan_.total_iters) iterations_of_all *= double(*plan_.total_epochs);
    constexpr double most = 1e15;
    if (iterations_of_all > most)
        throw ConfigError(
            {{plan_.total_epochs_place, concat("the run would take ", iterations_of_all,
                                               " iterations; at most ", most, " can be counted")}});
    for (const Phases& entry : entries) {
        round.iterations += entry.count * entry.iterations;
        round.steps += entry.count * steps_of(entry.iterations, plan_.accumulate);
    }
    if (plan_.total_iters) {
        length.train_iters = *plan_.total_iters;
        length.steps = length.train_iters / round.iterations * round.steps;
        int64_t left = length.train_iters % round.iterations;
        for (const Phases& entry : entries) {
            const int64_t whole = std::min(entry.count, left / entry.iterations);
            length.steps += whole * steps_of(entry.iterations, plan_.accumulate);
            left -= whole * entry.iterations;
            if (whole == entry.count) continue;
            length.steps += steps_of(left, plan_.accumulate);
            left = 0;
        }
        return length;
    }
    length.steps = (by_iters ? round.steps : steps_of(epoch, plan_.accumulate)) * length.epochs;
    length.train_iters = (by_iters ? round.iterations : epoch) * length.epochs;
    return length;
}

// ---- the way through it

bool Workflow::all_trained(int64_t rounds) const {
    return plan_.total_iters ? at_.train_iter >= *plan_.total_iters : rounds >= *plan_.total_epochs;
}

bool Workflow::finished() const {
    return stopped_ || all_trained(at_.epoch);
}

/// What is left of a last round: its evaluations. An epoch of training that stands beyond an end
/// that was set back is not gone on with.
bool Workflow::has_rest() const {
    const bool in_training = at_.iter > 0 && phase_of(entry().phase) == Phase::train;
    if (in_training && !plan_.total_iters) return false;
    return at_.entry > 0 || at_.repeat > 0 || at_.iter > 0;
}

/// Whether an evaluation takes place in this round.
bool Workflow::is_due(const WorkflowStep& step) const {
    if (step.phase != "val" || plan_.val_interval == 1 || plan_.dry_run) return true;
    const bool counted = at_.epoch != at_.round_epoch;  // a training phase has counted the round
    const int64_t rounds = at_.epoch + (counted ? 0 : 1);
    return all_trained(rounds) || rounds % plan_.val_interval == 0;
}

bool Workflow::enters() const {
    if (!is_due(entry())) return false;
    const Phase phase = phase_of(entry().phase);
    // What was to be trained since the last evaluation of these weights is beyond the run's end.
    return !cut_short_ || phase == Phase::train || evaluated_step_[size_t(phase)] != at_.step;
}

/// Whether the present entry has one more phase.
bool Workflow::goes_on_in_entry() {
    if (at_.repeat >= entry().epochs || stopped_ || (plan_.dry_run && ran_)) return false;
    if (phase_of(entry().phase) == Phase::train && at_.iter == 0 && finished()) {
        cut_short_ = true;
        return false;
    }
    return true;
}

void Workflow::end_round() {
    if (at_.epoch == at_.round_epoch) ++at_.epoch;
    at_.entry = 0;
    in_round_ = false;
    over_ = plan_.dry_run || (!trains() && plan_.total_iters);
}

std::optional<Phase> Workflow::next() {
    while (!over_) {
        if (!in_round_) {
            if (finished() && !(resumed_ && has_rest())) break;
            if (!resumed_) {
                at_.entry = 0;
                at_.round_epoch = at_.epoch;
            }
            resumed_ = false;
            in_round_ = true;
        }
        for (; at_.entry < plan_.entries.size(); ++at_.entry) {
            if (!in_entry_) {
                if (!enters()) continue;
                in_entry_ = true;
                ran_ = false;
            }
            if (goes_on_in_entry()) {
                ran_ = true;
                return phase_of(entry().phase);
            }
            at_.repeat = 0;
            in_entry_ = false;
        }
        end_round();
    }
    over_ = true;
    return std::nullopt;
}

int64_t Workflow::begin_training(int64_t left_in_epoch) {
    if (at_.iter == 0) at_.iters = entry().iters.value_or(left_in_epoch);
    phase_iterations_ = at_.iters;
    if (plan_.total_iters)
        phase_iterations_ =
            std::min(phase_iterations_, at_.iter + *plan_.total_iters - at_.train_iter);
    if (plan_.dry_run) phase_iterations_ = std::min(phase_iterations_, 2 * plan_.accumulate);
    return phase_iterations_;
}

void Workflow::iterated(bool stepped) {
    at_.step += stepped;
    ++at_.iter;
    ++at_.train_iter;
}

/// A workflow by iterations counts its rounds as epochs, when they end.
void Workflow::trained() {
    if (!entry().iters) ++at_.epoch;
    ++at_.repeat;
    at_.iter = at_.iters = 0;
}

void Workflow::evaluated(Phase phase) {
    ++at_.repeat;
    evaluated_step_[size_t(phase)] = at_.step;
}

bool Workflow::ends_here() const {
    const bool train = phase_of(entry().phase) == Phase::train;
    if (train && at_.iter < phase_iterations_) return false;
    if (!train && at_.repeat == 0) return false;  // an evaluation that was broken off
    if (at_.repeat + (train ? 1 : 0) < entry().epochs) return false;
    // This epoch or round is counted when its training is over, or later.
    const bool counted = !train && at_.epoch != at_.round_epoch;
    return all_trained(at_.epoch + (counted ? 0 : 1)) &&
           std::none_of(plan_.entries.begin() + ptrdiff_t(at_.entry) + 1, plan_.entries.end(),
                        [this](const WorkflowStep& step) { return is_due(step); });
}

// ---- going on

void Workflow::save(Node& values) const {
    values.set("epoch", Node(at_.epoch));
    values.set("round_epoch", Node(at_.round_epoch));
    values.set("workflow_entry", Node(int64_t(at_.entry)));
    values.set("workflow_repeat", Node(at_.repeat));
    values.set("iter", Node(at_.iter));
    values.set("iters", Node(at_.iters));
    values.set("step", Node(at_.step));
    values.set("train_iter", Node(at_.train_iter));
    Node steps = Node::map();
    for (const Phase phase : {Phase::val, Phase::test})
        steps.set(phase_name(phase), Node(evaluated_step_[size_t(phase)]));
    values.set("evaluated_step", std::move(steps));
}

void Workflow::load(const StateReader& saved) {
    at_ = {.epoch = saved.integer("epoch"),
           .round_epoch = saved.integer("round_epoch"),
           .entry = size_t(saved.integer("workflow_entry")),
           .repeat = saved.integer("workflow_repeat"),
           .iter = saved.integer("iter"),
           .step = saved.integer("step"),
           .train_iter = saved.integer("train_iter"),
           .iters = saved.integer("iters")};
    if (at_.entry >= plan_.entries.size())
        throw Error(concat("it stands at entry ", at_.entry + 1, " of the workflow, which has ",
                           plan_.entries.size()));
    if (const Node* steps = saved.find("evaluated_step"))
        for (const Phase phase : {Phase::val, Phase::test})
            if (const Node* step = steps->find(phase_name(phase)); step && step->is_int())
                evaluated_step_[size_t(phase)] = step->as_int();
    resumed_ = true;
}

void Workflow::skip_epochs(int64_t epochs) {
    at_.epoch = at_.round_epoch = epochs;
    if (trains()) {
        at_.train_iter = epochs * *plan_.epoch_iterations;
        at_.step = epochs * steps_of(*plan_.epoch_iterations, plan_.accumulate);
    }
    resumed_ = true;
}

}  // namespace ailab
