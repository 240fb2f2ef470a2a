#pragma once
#include "ailab/registry.hpp"
#include "ailab/run.hpp"
#include "ailab/state.hpp"

namespace ailab {

/// MMEngine's priorities: a lower number runs first; equal numbers run in the file's order.
namespace priority {
inline constexpr int very_high = 10;
inline constexpr int high = 30;
inline constexpr int above_normal = 40;
inline constexpr int normal = 50;
inline constexpr int below_normal = 60;
inline constexpr int low = 70;
inline constexpr int very_low = 90;
}  // namespace priority

/// What is known of a run before it starts.
struct RunPlan {
    /// The phases of the workflow.
    std::vector<Phase> phases;
    /// The fields that a batch of a phase will have, the model's outputs among them; empty when the
    /// dataset does not declare its fields.
    std::map<Phase, std::vector<std::string>> fields;
};

/// How the training step is put together. Filled from `runtime:`; hooks that stand for a setting of
/// the step (DDPHook) change it.
struct StepPlan {
    /// Size of the gradients' buckets of distributed training, in MB. More than 0.
    double bucket_mb = 25;
};

/// Called on every rank, on the main thread. May call collectives where all ranks do. A hook that
/// throws ends the whole job.
class AILAB_API Hook : public Stateful {
  public:
    ~Hook() override;

    /// The default; `priority:` in the configuration overrides it.
    virtual int default_priority() const { return priority::normal; }

    /// Before anything is started: adds what is wrong with the options in view of the whole run
    /// (names that no batch has, phases that do not occur).
    virtual void check(const RunPlan&, Problems&) {}

    /// Before the step is put together. Must do the same on all ranks.
    virtual void plan_step(StepPlan&) const {}

    virtual void before_run(Run&) {}
    virtual void after_run(Run&) {}

    virtual void before_train_epoch(Run&) {}
    virtual void after_train_epoch(Run&) {}
    virtual void before_val_epoch(Run&) {}
    virtual void after_val_epoch(Run&) {}
    virtual void before_test_epoch(Run&) {}
    virtual void after_test_epoch(Run&) {}

    virtual void before_train_iter(Run&) {}
    /// After the gradients of this rank are there and before they are reduced.
    virtual void after_backward(Run&) {}
    /// Gradients are reduced.
    virtual void before_step(Run&) {}
    virtual void after_step(Run&) {}
    virtual void after_train_iter(Run&) {}
    virtual void before_val_iter(Run&) {}
    virtual void after_val_iter(Run&) {}
    virtual void before_test_iter(Run&) {}
    virtual void after_test_iter(Run&) {}

    /// `path` is the folder that will be written.
    virtual void before_save_checkpoint(Run&, const std::string& /*path*/) {}
    virtual void after_load_checkpoint(Run&, const std::string& /*path*/) {}
    /// The run fails on this rank: only local work, no collectives.
    virtual void on_exception(Run&, const std::string& /*message*/) {}
};

}  // namespace ailab
