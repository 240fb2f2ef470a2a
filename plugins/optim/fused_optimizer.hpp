#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// Parameters of one group, dtype and device that have taken the same steps, so that one call
/// updates all of them. The lists are what the fused kernels take.
struct FusedCell {
    size_t group = 0;
    std::vector<std::string> names;
    std::vector<Tensor> params;
    std::vector<Tensor> grads;
    /// One list for each name of FusedOptimizer::state_names(); empty before the first step.
    std::vector<std::vector<Tensor>> states;
    /// The steps taken (float32, as the kernels want it), and once for each parameter.
    Tensor step;
    std::vector<Tensor> steps;

    bool started() const { return step.defined(); }
};

/// What Adam, AdamW and SGD share: the lists of tensors, left-out gradients, saving and loading. A
/// parameter that gets no gradient in a step keeps its state, as in PyTorch; its cell is split
/// then.
class FusedOptimizer : public Optimizer {
  public:
    explicit FusedOptimizer(std::vector<std::string> state_names)
        : state_names_(std::move(state_names)) {}

    void step(const Tensor& grad_scale, const Tensor& found_inf) final;
    /// "<state>/<parameter>" and "step/<parameter>"; the groups' learning rates in the values.
    State save_state() const final;
    void load_state(const State& state) final;

  protected:
    /// One fused call. `first`: the states are new (zeros).
    virtual void update(FusedCell& cell, const ParamGroup& group, bool first,
                        const std::optional<Tensor>& grad_scale,
                        const std::optional<Tensor>& found_inf) = 0;

  private:
    std::vector<FusedCell> make_cells(size_t first_group) const;
    void step_cell(size_t index, const Tensor& grad_scale, const Tensor& found_inf);
    void split(size_t index);
    void start(FusedCell& cell) const;

    std::vector<std::string> state_names_;
    std::vector<FusedCell> cells_;
    size_t groups_seen_ = 0;
};

}  // namespace ailab
