#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

using NamedScalars = std::vector<std::pair<std::string, double>>;

/// The points of a training's curves, for hooks that send them somewhere: losses (means over the
/// iterations since the last point), learning rates, times, memory. A hook calls it on every rank.
///
/// A run that goes on gives the points of one that was not stopped: a checkpoint holds what save()
/// tells of the point that was begun, and the run holds the sums of its window.
class TrainingScalars {
  public:
    /// `interval`: training iterations from one point to the next.
    explicit TrainingScalars(int64_t interval) : interval_(interval) {}

    /// In before_run. `saved`: the hook's own values in the checkpoint that the run goes on from;
    /// of a fresh run, or a checkpoint without them, any others.
    void begin(Run& run, const Node& saved = Node::map());
    /// Once in each after_train_iter: whether the next point is to be taken now. Iterations that
    /// only accumulate gradients are in the next step's point; an epoch's last point is taken in
    /// after_train_epoch, when its metrics are there.
    bool is_due(const Run& run);
    /// In after_train_epoch: whether there were iterations since the last point.
    bool has_rest() const { return iterations_ > 0; }
    /// "train/loss", "train/lr", … Collective.
    NamedScalars take(Run& run);

    /// In before_save_checkpoint, and then in save_state, among the hook's values.
    void mark(const Run& run);
    void save(Node& values) const;

    /// In after_val_epoch and after_test_epoch: "val/loss", "val/top1", …
    static NamedScalars results(const Run& run);

  private:
    /// What the point has taken until now, all its starts together.
    Timing taken_time(const Timing& until_now) const;

    const int64_t interval_;
    std::shared_ptr<MeterWindow> window_;
    Timing timed_;             // of this process until the last point
    Timing earlier_, marked_;  // of the point: before the checkpoint, and at the next one
    int64_t iterations_ = 0;   // since the last point
    bool due_ = false;
    int64_t taken_step_ = 0;
};

}  // namespace ailab
