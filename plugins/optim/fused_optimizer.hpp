#pragma once
#include "cell_optimizer.hpp"

namespace ailab {

/// Optimizers by one of ATen's fused kernels, which scale the gradients and leave steps out
/// themselves: the host never waits for the device.
class FusedOptimizer : public CellOptimizer {
  protected:
    FusedOptimizer(const GroupDefaults& defaults, std::vector<std::string> state_names)
        : CellOptimizer(defaults, {{std::move(state_names)}}) {}

    /// One fused call. `first`: the states are new.
    virtual void update(Cell& cell, const ParamGroup& group, bool first,
                        const std::optional<Tensor>& grad_scale,
                        const std::optional<Tensor>& found_inf) = 0;

  private:
    at::Device step_device(const Tensor& param) const final { return param.device(); }
    void update_cells(std::vector<Cell>& cells, const Tensor& grad_scale,
                      const Tensor& found_inf) final;
};

}  // namespace ailab
