#include "parameter_update.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace ailab {

ParameterUpdate::ParameterUpdate(std::shared_ptr<Optimizer> optimizer,
                                 std::vector<NamedParameter> parameters, Job& job,
                                 const StepPlan& plan)
    : optimizer_(std::move(optimizer)), parameters_(std::move(parameters)) {
    ParamGroup group;
    for (const NamedParameter& parameter : parameters_) {
        group.names.push_back(parameter.name);
        group.params.push_back(parameter.tensor);
    }
    group.lr = group.initial_lr = optimizer_->default_lr();
    group.weight_decay = optimizer_->default_weight_decay();
    group.momentum = group.initial_momentum = optimizer_->default_momentum();
    optimizer_->add_group(std::move(group));
    if (job.world_size() > 1)
        reducer_ = Reducer::create(parameters_, job.backend(), plan.bucket_mb);
}

void ParameterUpdate::begin() {
    if (reducer_) reducer_->begin();
}

void ParameterUpdate::backward(const std::vector<Tensor>& roots,
                               const std::vector<double>& factors) {
    if (reducer_) reducer_->arm();
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

void ParameterUpdate::reduce() {
    if (reducer_) reducer_->finish({});
}

void ParameterUpdate::drop_gradients() {
    if (reducer_) return;  // the views into the buckets stay
    for (const NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

}  // namespace ailab
