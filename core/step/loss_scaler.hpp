#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "ailab/hook.hpp"

namespace ailab {

/// The scale of the loss in float16 training. Nothing in it waits for the device.
class LossScaler final : public Stateful {
  public:
    LossScaler(const AutocastPlan& plan, c10::Device device);

    /// What the loss is multiplied by: a float32 scalar on the device.
    const Tensor& scale() const { return scale_; }
    /// Divides the gradients by the scale and notes whether any is not finite.
    void unscale(const std::vector<Tensor>& gradients);
    /// Not 0 if a gradient of this step was not finite: what Optimizer::step() takes.
    const Tensor& found_inf() const { return found_inf_; }
    /// After an optimizer's step.
    void end_step();
    /// After the iteration: the scale of the next one, by all steps that were taken in it, if any
    /// were.
    void update();

    State save_state() const override;
    void load_state(const State& state) override;

  private:
    const AutocastPlan plan_;
    Tensor scale_;
    Tensor growth_tracker_;  // steps with finite gradients since the scale was changed
    Tensor found_inf_;
    Tensor found_inf_before_;  // by another optimizer in this iteration
    bool has_stepped_ = false;
};

}  // namespace ailab
