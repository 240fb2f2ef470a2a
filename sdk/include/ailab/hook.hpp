#pragma once
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ailab/priority.hpp"
#include "ailab/registry.hpp"
#include "ailab/run.hpp"
#include "ailab/state.hpp"

namespace ailab {

/// What is known of a run before it starts.
struct RunPlan {
    /// The phases of the workflow.
    std::vector<Phase> phases;
    /// The fields that a batch of a phase will have, the model's outputs among them; empty when the
    /// dataset does not declare its fields.
    std::map<Phase, std::vector<std::string>> fields;
    /// The names that Run::results() will have after a phase: the loss, its terms, and what the
    /// hooks declare in result_names(). What a monitor may name.
    std::map<Phase, std::vector<std::string>> results;
    /// Which of them are better when greater (true) or less (false), where the loss or a hook
    /// knows.
    std::map<std::string, bool> greater_is_better;
};

/// Mixed precision: the model's forward pass runs in `dtype` where that is safe (LibTorch's
/// autocast); losses and metrics get its outputs as float32.
struct AutocastPlan {
    /// kBFloat16 or kHalf. With kHalf the loss is scaled so that small gradients do not vanish
    /// (Micikevicius et al., "Mixed Precision Training", ICLR 2018), by PyTorch's rule: times
    /// `growth` after `growth_interval` steps with finite gradients, times `backoff` after one
    /// without, which is left out.
    at::ScalarType dtype = at::kBFloat16;
    double initial_scale = 65536;
    double growth = 2;
    double backoff = 0.5;
    int64_t growth_interval = 2000;
};

/// How the training step is put together. Filled from `runtime:`; hooks that stand for a setting of
/// the step (DDPHook, AMPHook) change it.
struct StepPlan {
    /// Size of the gradients' buckets of distributed training, in MB. More than 0.
    double bucket_mb = 25;
    /// Whether parameters that no rank used are allowed. Otherwise they are an error that names
    /// them.
    bool find_unused_parameters = true;
    /// Batch norms take their mean and variance over the batch of all ranks.
    bool sync_batch_norm = false;
    /// Before an evaluation and a checkpoint every rank takes rank 0's buffers (running means).
    bool broadcast_buffers = true;
    std::optional<AutocastPlan> autocast;
};

/// Whether and how the run goes on from a checkpoint. Filled from `resume_from`; ResumeHook changes
/// it.
struct ResumePlan {
    /// A checkpoint, or "auto" for the newest valid one of the work_dir; empty: a fresh run.
    std::string from;
    /// The learning rates: those of the checkpoint, those of the configuration, or this number.
    enum class LearningRate { keep, initial, number } learning_rate = LearningRate::keep;
    double number = 0;
};

/// The points that come in each training iteration, and whether a class overrides them. The others
/// are not called: even an empty call reaches for code that is in no cache.
struct IterationPoints {
    bool before_train_iter = true;
    bool after_backward = true;
    bool before_step = true;
    bool after_step = true;
    bool after_train_iter = true;
    /// One of before_val_iter, after_val_iter, before_test_iter and after_test_iter, which are
    /// called in any case.
    bool evaluation = true;
};

/// Called on every rank, on the main thread. May call collectives where all ranks do. A hook that
/// throws ends the whole job.
class AILAB_API Hook : public Stateful {
  public:
    ~Hook() override;

    /// The default; `priority:` in the configuration overrides it.
    virtual int default_priority() const { return priority::normal; }

    /// Whether `ailab-run test` leaves this hook out: what writes checkpoints, moves learning rates
    /// or follows an experiment has no part in it.
    virtual bool for_training_only() const { return false; }

    /// Before anything is started: adds what is wrong with the options in view of the whole run
    /// (names that no batch has, phases that do not occur).
    virtual void check(const RunPlan&, Problems&) {}

    /// Whether this hook may change the batches of an evaluation, or what the model says to them:
    /// then check_evaluation() is not called. By default a hook that has a part in its iterations.
    virtual bool changes_evaluations() const { return iteration_points.evaluation; }
    /// Before the run's first training step: `batch` is the first that this rank will evaluate in
    /// `phase`, with the outputs of the model as it is now. Throws what the evaluation would throw
    /// (a shape that does not fit), so that nobody learns it after an epoch, and keeps nothing.
    /// Local work only, no collectives; not called where this rank has no such batch.
    /// A hook that has results of the training (result_names()) is shown a first batch of that too.
    virtual void check_evaluation(Run&, Phase, const Batch& /*batch*/) {}
    /// After check_evaluation() of all hooks: `plan.results` has the names that the first batches
    /// have told (a result for each class). Adds what is wrong with options that name a result.
    virtual void check_results(const RunPlan&, Problems&) {}

    /// Before the step is put together. Must do the same on all ranks.
    virtual void plan_step(StepPlan&) const {}
    /// Before the run's folder is chosen. Must do the same on all ranks.
    virtual void plan_resume(ResumePlan&) const {}

    /// The names that this hook publishes in a phase, for monitors: known before the run, or as
    /// check_evaluation() has told.
    virtual std::vector<std::string> result_names(Phase) const { return {}; }
    /// Whether one of them is better when greater, where more than its name tells.
    virtual std::optional<bool> greater_is_better(const std::string& /*result*/) const {
        return std::nullopt;
    }
    /// The files and folders that this hook writes; relative ones lie in the run's folder. Two
    /// hooks that name the same one are refused.
    virtual std::vector<std::string> output_paths() const { return {}; }

    /// What this rank alone has (sums over its own samples): each rank's is saved. save_state() is
    /// for what all ranks have alike.
    virtual State save_rank_state() const { return {}; }
    /// When the run goes on with as many ranks as were saved: this rank's own. With another number
    /// of ranks: all of them for rank 0, none for the others.
    virtual void load_rank_states(const std::vector<State>&) {}

    /// The weights that stand for the model outside of its training (an average of them), by the
    /// names of the model's parameters and buffers; empty: the model's own. In a checkpoint they
    /// are the tensors of save_state() that have the names of the model's.
    virtual std::map<std::string, Tensor> export_weights() const { return {}; }
    /// What evaluations run with in place of the model's own weights: parameters of the model, and
    /// for each a tensor of its shape. The run puts them in place before before_val_epoch (or
    /// before_test_epoch) and takes them out before after_results, and for a checkpoint or a
    /// failure in between. Of several hooks that give some the first counts.
    virtual std::vector<std::pair<Tensor, Tensor>> evaluation_weights() const { return {}; }

    /// Which points of an iteration are called: set where the class is registered, see
    /// overridden().
    IterationPoints iteration_points;

    virtual void before_run(Run&) {}
    virtual void after_run(Run&) {}

    /// Also when a resumed run goes on in the middle of the epoch.
    virtual void before_train_epoch(Run&) {}
    virtual void after_train_epoch(Run&) {}
    virtual void before_val_epoch(Run&) {}
    virtual void after_val_epoch(Run&) {}
    virtual void before_test_epoch(Run&) {}
    virtual void after_test_epoch(Run&) {}
    /// After the after_ points of a phase's end, in which results are published: all of them are
    /// there. What follows results acts here.
    virtual void after_results(Run&, Phase) {}

    virtual void before_train_iter(Run&) {}
    /// After a backward pass of this rank and before gradients are reduced. With accumulation:
    /// after each one.
    virtual void after_backward(Run&) {}
    /// Gradients are those of the whole batch, reduced and not yet clipped. With accumulation these
    /// two are called once a step, not in each iteration.
    virtual void before_step(Run&) {}
    /// Also after a step that was left out (Run::skip_step()). Gradients are still there.
    virtual void after_step(Run&) {}
    virtual void after_train_iter(Run&) {}
    virtual void before_val_iter(Run&) {}
    virtual void after_val_iter(Run&) {}
    virtual void before_test_iter(Run&) {}
    virtual void after_test_iter(Run&) {}

    /// An evaluation ends before its time, since the run is stopped: undo what before_val_epoch or
    /// before_test_epoch did. The after_ points are not called then.
    virtual void abandon_evaluation(Run&) {}

    /// `path` is the folder that will be written.
    virtual void before_save_checkpoint(Run&, const std::string& /*path*/) {}
    virtual void after_load_checkpoint(Run&, const std::string& /*path*/) {}
    /// The run fails on this rank: only local work, no collectives.
    virtual void on_exception(Run&, const std::string& /*message*/) {}
};

/// The points that T overrides.
template <class T>
constexpr IterationPoints overridden() {
    IterationPoints points;
    points.before_train_iter = AILAB_OVERRIDES_(T, Hook, before_train_iter);
    points.after_backward = AILAB_OVERRIDES_(T, Hook, after_backward);
    points.before_step = AILAB_OVERRIDES_(T, Hook, before_step);
    points.after_step = AILAB_OVERRIDES_(T, Hook, after_step);
    points.after_train_iter = AILAB_OVERRIDES_(T, Hook, after_train_iter);
    points.evaluation =
        AILAB_OVERRIDES_(T, Hook, before_val_iter) || AILAB_OVERRIDES_(T, Hook, after_val_iter) ||
        AILAB_OVERRIDES_(T, Hook, before_test_iter) || AILAB_OVERRIDES_(T, Hook, after_test_iter);
    return points;
}

}  // namespace ailab
