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
class TrainingScalars {
  public:
    /// `interval`: training iterations from one point to the next.
    explicit TrainingScalars(int64_t interval) : interval_(interval) {}

    /// In before_run.
    void begin(Run& run);
    /// In after_train_iter: whether the next point is to be taken now. Iterations that only
    /// accumulate gradients are in the next step's point; an epoch's last point is taken in
    /// after_train_epoch, when its metrics are there.
    bool is_due(const Run& run);
    /// In after_train_epoch: whether there were iterations since the last point.
    bool has_rest(const Run& run) const;
    /// "train/loss", "train/lr", … Collective.
    NamedScalars take(Run& run);
    /// A run went back: steps are taken again.
    void forget() { taken_step_ = 0; }

    /// In after_val_epoch and after_test_epoch: "val/loss", "val/top1", …
    static NamedScalars results(const Run& run);

  private:
    const int64_t interval_;
    std::shared_ptr<MeterWindow> window_;
    Timing timed_;  // until the last point
    bool due_ = false;
    int64_t taken_step_ = 0;
};

}  // namespace ailab
