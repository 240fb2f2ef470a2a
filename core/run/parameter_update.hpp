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
                    Job& job, const StepPlan& plan);

    /// Before the forward pass.
    void begin();
    /// Backward from scalars, each with its factor.
    void backward(const std::vector<Tensor>& roots, const std::vector<double>& factors);
    /// Sums the gradients over the ranks; every rank must call it, also without a backward.
    void reduce();
    void step() { optimizer_->step(); }
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
