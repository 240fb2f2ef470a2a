#pragma once
#include <memory>
#include <string>
#include <vector>

#include "distributed/reducer.hpp"
#include "distributed/step_number.hpp"

namespace ailab {

/// The gradients of one optimizer's parameters in a training step, of one process or summed over
/// the ranks. For training no other code touches `.grad()`; to users' plugins that is the same
/// tensor, and what they put there counts. Main thread.
class GradientStore {
  public:
    /// `parameters`: each tensor once. `backend`: between the ranks; nullptr for one.
    GradientStore(std::vector<NamedParameter> parameters, c10::intrusive_ptr<c10d::Backend> backend,
                  double bucket_mb);

    const std::vector<NamedParameter>& parameters() const { return parameters_; }

    /// Before a step's first forward pass, and before another evaluation of the whole step: what
    /// there is goes.
    void begin();
    /// Adds the gradients of scalars, each times its factor and times `scale` if that is defined.
    /// `reduces`: it is the last time in the step, and gradients are summed over the ranks as they
    /// are complete.
    void backward(const std::vector<at::Tensor>& roots, const std::vector<StepNumber>& factors,
                  bool reduces, const at::Tensor& scale);
    /// Puts one there without a backward, before reduce().
    void set(size_t parameter, const at::Tensor& gradient);

    /// Sums the gradients over the ranks; every rank must call it, also without a backward. Sparse
    /// ones are dense from there on. With them go `numbers` (at most 8), which become their sums:
    /// on the device where the gradients of several ranks are.
    void reduce(std::vector<StepNumber>& numbers);
    /// After reduce(): its sums on the host. Waits for the reduction alone.
    const std::vector<double>& read();
    /// After reduce(): whether no parameter can be unused(), by what this rank had alone.
    bool complete() const { return !reducer_ || reducer_->complete(); }
    /// After read(), where ranks are summed over: the names of parameters that none has used. They
    /// have no gradient from there on; before it is 0.
    const std::vector<std::string>& unused() const;

    bool has(size_t parameter) const;
    /// Those that there are.
    std::vector<at::Tensor> present() const;
    /// Of all of them together: a scalar on their device (nothing waits), of the first one's dtype,
    /// the squares summed in float64. Undefined where there is none.
    at::Tensor norm(double norm_type = 2) const;
    /// After reduce().
    void scale(const StepNumber& factor);
    /// Scales them so that their norm is at most `max_norm`, as torch.nn.utils.clip_grad_norm_
    /// does. `norm`: theirs.
    void clip_norm(const at::Tensor& norm, double max_norm);
    /// Limits each number to [-max_value, max_value].
    void clip_value(double max_value);

    /// After a step. Gradients of one process are dropped, not zeroed: the next backward takes
    /// cached memory.
    void end();

    /// See Reducer::in_place().
    bool in_place() const { return reducer_ && reducer_->in_place(); }
    /// "1 bucket, 0.2 MB", or "" for one rank.
    std::string describe() const { return reducer_ ? reducer_->describe() : ""; }

  private:
    const std::vector<NamedParameter> parameters_;
    const std::unique_ptr<Reducer> reducer_;  // or none
    LateNumbers numbers_;                     // without a reducer
    // The roots' gradients of the last backward, which mostly serve again.
    std::vector<at::Tensor> root_gradients_;
    std::vector<double> root_factors_;
};

}  // namespace ailab
