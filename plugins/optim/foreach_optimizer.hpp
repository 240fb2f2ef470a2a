#pragma once
#include "tensor_group_optimizer.hpp"

namespace ailab {

/// Optimizers without a fused kernel, by ATen's foreach functions. Counts the steps on the host,
/// which needs them for its factors; so the host waits for `found_inf` where that is in use.
class ForeachOptimizer : public TensorGroupOptimizer {
  protected:
    using TensorGroupOptimizer::TensorGroupOptimizer;

    /// The t-th step of a tensor group (from 1). The gradients are unscaled; they may be the
    /// parameters' own and must not be written to.
    virtual void update(TensorGroup& tensor_group, const ParamGroup& group, double t) = 0;
    /// Before the first update of a step: for what spans all parameters.
    virtual void prepare(std::vector<TensorGroup>& /*tensor_groups*/) {}

  private:
    at::Device step_device(const Tensor& /*param*/) const final { return at::kCPU; }
    void update_tensor_groups(std::vector<TensorGroup>& tensor_groups, const Tensor& grad_scale,
                              const Tensor& found_inf) final;
};

using TensorVector = std::vector<Tensor>;

/// The gradient to go down along: the negative one for `maximize`, plus weight_decay times the
/// parameters. Shared with the tensor group if nothing is to be changed.
TensorVector descent(const TensorGroup& tensor_group, bool maximize, double weight_decay = 0);

/// descent() with the group's weight decay, or without it where decay is decoupled: the parameters
/// are shrunk then.
TensorVector decayed_descent(TensorGroup& tensor_group, const ParamGroup& group, bool maximize,
                             bool decoupled);

/// avg = beta avg + (1 - beta) values
void average(TensorVector& avg, const TensorVector& values, double beta);
/// avg = beta avg + (1 - beta) values^2
void average_squares(TensorVector& avg, const TensorVector& values, double beta);
/// sqrt(values) + eps
TensorVector root_plus(const TensorVector& values, double eps);

/// Lets only those elements of an update pass that point as the gradient does, and enlarges them so
/// that the update keeps its size: Cautious Optimizers (Liang et al., 2024).
void apply_caution(TensorVector& updates, const TensorVector& grads);

}  // namespace ailab
