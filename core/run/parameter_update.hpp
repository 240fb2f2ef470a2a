#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/hook.hpp"
#include "ailab/optimizer.hpp"
#include "dist/job.hpp"
#include "dist/reducer.hpp"

namespace ailab {

/// One optimizer with its parameters: gradients, their reduction over the ranks, and the step.
class ParameterUpdate {
  public:
    ParameterUpdate(std::shared_ptr<Optimizer> optimizer, std::vector<NamedParameter> parameters,
                    std::vector<ParamGroup> groups, Job& job, const StepPlan& plan);

    /// Before a step's first forward pass, and before another evaluation of the whole step: what
    /// gradients there are go.
    void begin();
    /// Backward from scalars, each with its factor, and times `scale` if that is defined.
    /// `reduces`: it is the last of the step's, and gradients are reduced as they are complete.
    void backward(const std::vector<Tensor>& roots, const std::vector<double>& factors,
                  bool reduces, const Tensor& scale);
    /// Sums the gradients over the ranks; every rank must call it, also without a backward. Returns
    /// the sums of `numbers` (at most 8), which travel along.
    std::vector<double> reduce(const std::vector<double>& numbers);
    /// Names of the parameters that no rank has used in this step; known where gradients are
    /// reduced.
    std::vector<std::string> unused() const;
    /// Gradients of one process are dropped, not zeroed: the next backward takes cached memory.
    void drop_gradients();

    const std::vector<NamedParameter>& parameters() const { return parameters_; }
    Optimizer& optimizer() { return *optimizer_; }
    /// "1 bucket, 0.2 MB", or "" for one rank.
    std::string describe() const { return reducer_ ? reducer_->describe() : ""; }

  private:
    std::shared_ptr<Optimizer> optimizer_;
    std::vector<NamedParameter> parameters_;
    std::unique_ptr<Reducer> reducer_;
    std::vector<Tensor> root_gradients_;
    std::vector<double> root_factors_;
};

}  // namespace ailab
