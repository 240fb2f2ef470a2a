#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

namespace ailab {

/// Whom a training step tells what happens in it, in this order: the run, which calls its hooks; a
/// test. Main thread.
class StepObserver {
  public:
    virtual ~StepObserver() = default;

    /// What the process does now, for messages about a rank that hangs. Lives as long as it does.
    virtual void doing(const char* /*what*/) {}
    /// An iteration's gradients are there: this rank's own, undivided.
    virtual void after_backward() {}
    /// Numbers of this rank (at most 5) that travel with the gradients: what signals ask.
    virtual std::vector<double> own_flags() { return {}; }
    /// Their sums over the ranks, at the end of the step; from a device one step later.
    virtual void note_flags(std::span<const double> /*sums*/) {}
    /// The step's gradients are summed over the ranks, and divided.
    virtual void gradients_complete() {}
    virtual void before_step() {}
    virtual void after_step() {}

    /// Whether anybody takes what is recorded.
    virtual bool records() const { return false; }
    /// A scalar, the mean over `weight` samples; nothing if `unless` is defined and not 0.
    virtual void record(const std::string& /*name*/, const at::Tensor& /*mean*/, double /*weight*/,
                        const at::Tensor& /*unless*/ = {}) {}
    /// The targets of a step count nowhere.
    virtual void nothing_counts() {}
};

}  // namespace ailab
