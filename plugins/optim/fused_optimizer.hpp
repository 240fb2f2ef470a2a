#pragma once
#include "tensor_group_optimizer.hpp"

namespace ailab {

/// Optimizers by one of ATen's fused kernels, which scale the gradients and leave steps out
/// themselves: the host never waits for the device.
class FusedOptimizer : public TensorGroupOptimizer {
  protected:
    FusedOptimizer(const GroupDefaults& defaults, std::vector<std::string> state_names)
        : TensorGroupOptimizer(defaults, {{std::move(state_names)}}) {}

    /// One fused call. `first`: the states are new.
    virtual void update(TensorGroup& tensor_group, const ParamGroup& group, bool first,
                        const std::optional<Tensor>& grad_scale,
                        const std::optional<Tensor>& found_inf) = 0;

  private:
    at::Device step_device(const Tensor& param) const final { return param.device(); }
    void update_tensor_groups(std::vector<TensorGroup>& tensor_groups, const Tensor& grad_scale,
                              const Tensor& found_inf) final;
};

}  // namespace ailab
