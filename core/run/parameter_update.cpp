#include "parameter_update.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace ailab {

ParameterUpdate::ParameterUpdate(std::shared_ptr<Optimizer> optimizer,
                                 std::vector<NamedParameter> parameters,
                                 std::vector<ParamGroup> groups, Job& job, const StepPlan& plan)
    : optimizer_(std::move(optimizer)), parameters_(std::move(parameters)) {
    for (ParamGroup& group : groups) optimizer_->add_group(std::move(group));
    if (job.world_size() > 1)
        reducer_ = Reducer::create(parameters_, job.backend(), plan.bucket_mb);
}

void ParameterUpdate::begin() {
    reducer_ ? reducer_->begin() : drop_gradients();
}

void ParameterUpdate::backward(const std::vector<Tensor>& roots, const std::vector<double>& factors,
                               bool reduces, const Tensor& scale) {
    if (reducer_ && reduces) reducer_->arm();
    if (scale.defined()) {
        std::vector<Tensor> scaled;
        for (size_t i = 0; i < roots.size(); ++i)
            scaled.push_back((scale * factors[i]).to(roots[i].scalar_type()));
        return torch::autograd::backward(roots, scaled);
    }
    // The factor enters as the root's gradient: no operation, and the tensor is made once.
    if (root_factors_ != factors || root_gradients_.size() != roots.size()) {
        root_gradients_.clear();
        for (size_t i = 0; i < roots.size(); ++i)
            root_gradients_.push_back(
                at::full({}, factors[i], roots[i].options().requires_grad(false)));
        root_factors_ = factors;
    }
    torch::autograd::backward(roots, root_gradients_);
}

std::vector<double> ParameterUpdate::reduce(const std::vector<double>& numbers) {
    return reducer_ ? reducer_->finish(numbers) : numbers;
}

std::vector<std::string> ParameterUpdate::unused() const {
    return reducer_ ? reducer_->unused() : std::vector<std::string>();
}

void ParameterUpdate::drop_gradients() {
    if (reducer_) return;  // the views into the buckets stay
    for (const NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

}  // namespace ailab
