#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// Parameters of one group, dtype, device and kind that have taken the same steps, so that one call
/// updates all of them. The lists are what ATen's fused and foreach functions take.
struct TensorGroup {
    size_t group = 0;
    /// Index in the kinds of the optimizer: which states there are, and how it updates them.
    size_t kind = 0;
    std::vector<std::string> names;
    /// The parameters themselves, whose gradients are taken.
    std::vector<Tensor> sources;
    /// What is updated: the same, complex ones seen as real numbers (one more dimension, of 2), as
    /// PyTorch does. So are gradients and states.
    std::vector<Tensor> params;
    /// Empty between steps, and in a step that gives these parameters no gradients.
    std::vector<Tensor> grads;
    /// One list for each name of StateNames::tensors; empty before the first step.
    std::vector<std::vector<Tensor>> states;
    /// One number for each name of StateNames::scalars; empty before the first step.
    std::vector<double> scalars;
    /// The steps taken (float32, as the fused kernels want it), and once for each parameter.
    Tensor step;
    std::vector<Tensor> steps;

    bool started() const { return step.defined(); }
    /// On the host without an operator, which would be a tenth of a small model's step.
    void count_step() {
        if (step.is_cpu())
            *step.data_ptr<float>() += 1;
        else
            step.add_(1);
    }
};

/// What an optimizer keeps for each parameter besides the number of its steps.
struct StateNames {
    std::vector<std::string> tensors;
    /// Numbers that follow from the steps taken, and so are the same throughout a tensor group.
    std::vector<std::string> scalars = {};
};

/// What all optimizers but LBFGS share: the lists of tensors, left-out gradients, saving and
/// loading. A parameter that gets no gradient in a step keeps its state and its number of steps, as
/// in PyTorch; its tensor group is split then.
class TensorGroupOptimizer : public Optimizer {
  public:
    double default_lr() const final { return defaults_.lr; }
    double default_weight_decay() const final { return defaults_.weight_decay; }
    std::optional<double> default_momentum() const final { return defaults_.momentum; }

    void step(const Tensor& grad_scale, const Tensor& found_inf) final;
    /// "<state>/<parameter>" and "step/<parameter>".
    State save_state() const final;
    void load_state(const State& state) final;

  protected:
    /// The states of each kind of parameter.
    TensorGroupOptimizer(const GroupDefaults& defaults, std::vector<StateNames> kinds)
        : defaults_(defaults), kinds_(std::move(kinds)) {}

    virtual size_t kind(const Tensor& /*param*/) const { return 0; }
    /// Whether complex parameters are trained, both parts of each element as numbers of their own.
    virtual bool takes_complex() const { return true; }
    /// The first value of the state `kinds[kind].tensors[index]`.
    virtual Tensor initial_state(size_t /*kind*/, size_t /*index*/, const Tensor& param,
                                 const ParamGroup&) const {
        return at::zeros_like(param);
    }
    virtual std::vector<double> initial_scalars(const ParamGroup&) const { return {}; }
    /// Where the number of steps is counted.
    virtual at::Device step_device(const Tensor& param) const = 0;
    /// One step of all tensor groups that have gradients.
    virtual void update_tensor_groups(std::vector<TensorGroup>& tensor_groups,
                                      const Tensor& grad_scale, const Tensor& found_inf) = 0;

    /// Makes the states of a tensor group if it has none yet.
    void start(TensorGroup& tensor_group) const;

  private:
    std::vector<TensorGroup> make_tensor_groups(size_t first_group) const;
    void collect_gradients(size_t index);
    void split(size_t index);

    const GroupDefaults defaults_;  // of most parameters
    std::vector<StateNames> kinds_;
    std::vector<TensorGroup> tensor_groups_;
    size_t groups_seen_ = 0;
};

}  // namespace ailab
