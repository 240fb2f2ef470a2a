#pragma once
// Which phase of the workflow comes next, how long it and the whole run are, and where the run
// stands. Counts alone: no data, no model, no other rank.
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ailab/run.hpp"
#include "schema/run_config.hpp"
#include "work_dir/state_reader.hpp"

namespace ailab {

/// Where the next iteration stands in the workflow: what a checkpoint stores.
struct Position {
    int64_t epoch = 0;        // training epochs (or rounds of iterations) that are complete
    int64_t round_epoch = 0;  // the same, when the present round of the workflow began
    size_t entry = 0;         // of the workflow's list
    int64_t repeat = 0;       // epochs of this entry that are complete
    int64_t iter = 0;         // iterations of the present epoch that are complete
    int64_t step = 0;         // optimizer steps
    int64_t train_iter = 0;   // training iterations
    /// Iterations of the present training phase, when a resumed run goes on in it; else 0.
    int64_t iters = 0;
};

/// Of a whole run; 0 where it is not limited by it, or nothing is trained.
struct RunLength {
    int64_t epochs = 0;
    int64_t train_iters = 0;
    int64_t steps = 0;
};

/// Optimizer steps of so many iterations of one phase: none reaches over its end.
inline int64_t steps_of(int64_t iterations, int64_t accumulate) {
    return (iterations + accumulate - 1) / accumulate;
}

/// What a workflow counts with.
struct WorkflowPlan {
    std::vector<WorkflowStep> entries;
    std::optional<int64_t> total_epochs;  // one of these two at least
    std::optional<int64_t> total_iters;
    Place total_epochs_place;
    int64_t val_interval = 1;  // validate after so many rounds, and after the last
    int64_t accumulate = 1;    // iterations of a step
    /// Two steps of each training phase, and each entry once.
    bool dry_run = false;
    /// Iterations of an epoch of the training data; none: nothing is trained.
    std::optional<int64_t> epoch_iterations;
};

WorkflowPlan workflow_plan(const RunConfig& config, std::optional<int64_t> epoch_iterations);

/// The rounds of a workflow until the run's end. One thread.
class Workflow {
  public:
    explicit Workflow(WorkflowPlan plan) : plan_(std::move(plan)) {}

    /// Throws ConfigError when it is beyond what can be counted.
    RunLength length() const;
    const Position& position() const { return at_; }

    // ---- the way through it

    /// The phase that runs now, until trained() or evaluated() says that it is complete; none when
    /// the run is over. One that was not completed comes again.
    std::optional<Phase> next();
    /// Iterations of the training phase that begins, or goes on, now. `left_in_epoch`: of the data.
    int64_t begin_training(int64_t left_in_epoch);
    /// A training iteration is complete; `stepped`: and a step.
    void iterated(bool stepped);
    /// From here on the phase is complete: a checkpoint that is written now resumes behind it.
    void trained();
    void evaluated(Phase phase);
    /// Nothing more is begun.
    void stop() { stopped_ = true; }

    /// Whether the run has all its training, or was stopped.
    bool finished() const;
    /// Whether nothing is left but what is complete already: after the last iteration of the last
    /// phase.
    bool ends_here() const;

    // ---- going on

    void save(Node& values) const;
    /// The run goes on from there. Throws Error on what is missing.
    void load(const StateReader& saved);
    /// After so many whole epochs.
    void skip_epochs(int64_t epochs);

  private:
    const WorkflowStep& entry() const { return plan_.entries[at_.entry]; }
    bool trains() const { return plan_.epoch_iterations.has_value(); }
    bool all_trained(int64_t rounds) const;
    bool is_due(const WorkflowStep& step) const;
    bool enters() const;
    bool has_rest() const;
    bool goes_on_in_entry();
    void end_round();

    const WorkflowPlan plan_;
    Position at_;
    /// Of each phase, the step whose weights it last evaluated to the end, or -1.
    std::array<int64_t, 3> evaluated_step_{-1, -1, -1};
    int64_t phase_iterations_ = 0;  // of the present training phase
    bool in_round_ = false;
    bool in_entry_ = false;
    bool ran_ = false;        // something of the present entry
    bool cut_short_ = false;  // a training phase of the last round had nothing left to train
    bool resumed_ = false;    // in the round where it stood, which has not begun yet
    bool over_ = false;
    bool stopped_ = false;
};

}  // namespace ailab
