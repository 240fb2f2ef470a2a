#include "tensor_group_optimizer.hpp"

namespace ailab {
namespace {

/// A parameter, or a gradient, as the numbers that are updated.
Tensor real_numbers(const Tensor& tensor) {
    return tensor.is_complex() ? at::view_as_real(tensor) : tensor;
}

/// The kernels walk over memory: the gradient must lie as the parameter does.
Tensor fitting_gradient(const Tensor& param, const std::string& name) {
    const Tensor& grad = param.grad();
    if (!grad.defined()) return grad;
    if (grad.strides() == param.strides() && grad.layout() == at::kStrided)
        return grad.is_complex() ? real_numbers(grad.resolve_conj()) : grad;
    if (grad.layout() != at::kStrided)
        throw Error(
            concat("the gradient of ", name, " is sparse; this optimizer takes dense ones"));
    return real_numbers(at::empty_like(param).copy_(grad));
}

void append(TensorGroup& to, const TensorGroup& from, size_t i) {
    to.names.push_back(from.names[i]);
    to.sources.push_back(from.sources[i]);
    to.params.push_back(from.params[i]);
    if (from.grads[i].defined()) to.grads.push_back(from.grads[i]);
    to.states.resize(from.states.size());
    for (size_t s = 0; s < from.states.size(); ++s) to.states[s].push_back(from.states[s][i]);
}

}  // namespace

std::vector<TensorGroup> TensorGroupOptimizer::make_tensor_groups(size_t first_group) const {
    std::vector<TensorGroup> tensor_groups;
    for (size_t g = first_group; g < groups().size(); ++g) {
        const ParamGroup& group = groups()[g];
        const size_t first = tensor_groups.size();
        for (size_t i = 0; i < group.params.size(); ++i) {
            const Tensor& param = group.params[i];
            if (!param.is_non_overlapping_and_dense())
                throw Error(concat("parameter ", group.names[i],
                                   " is a view with gaps; optimizers take dense ones"));
            if (param.is_complex() && !takes_complex())
                throw Error(concat("parameter ", group.names[i],
                                   " is complex, which this optimizer does not train; PyTorch's "
                                   "does not either. Take another one, such as AdamW"));
            const size_t its_kind = kind(param);
            auto takes = [&](const TensorGroup& tensor_group) {
                return tensor_group.kind == its_kind &&
                       tensor_group.sources[0].device() == param.device() &&
                       tensor_group.sources[0].scalar_type() == param.scalar_type();
            };
            size_t its = first;
            while (its < tensor_groups.size() && !takes(tensor_groups[its])) ++its;
            if (its == tensor_groups.size()) {
                tensor_groups.emplace_back().group = g;
                tensor_groups[its].kind = its_kind;
            }
            TensorGroup& tensor_group = tensor_groups[its];
            tensor_group.names.push_back(group.names[i]);
            tensor_group.sources.push_back(param);
            tensor_group.params.push_back(real_numbers(param));
        }
    }
    return tensor_groups;
}

void TensorGroupOptimizer::step(const Tensor& grad_scale, const Tensor& found_inf) {
    const at::NoGradGuard no_grad;
    if (groups_seen_ != groups().size()) {
        for (TensorGroup& tensor_group : make_tensor_groups(groups_seen_))
            tensor_groups_.push_back(std::move(tensor_group));
        groups_seen_ = groups().size();
    }
    // What splitting adds has no gradients in this step.
    const size_t count = tensor_groups_.size();
    for (size_t i = 0; i < count; ++i) collect_gradients(i);
    update_tensor_groups(tensor_groups_, grad_scale, found_inf);
    // They may be dropped or reused as soon as the step is over.
    for (TensorGroup& tensor_group : tensor_groups_) tensor_group.grads.clear();
}

void TensorGroupOptimizer::collect_gradients(size_t index) {
    TensorGroup& tensor_group = tensor_groups_[index];
    size_t defined = 0;
    tensor_group.grads.clear();
    for (size_t i = 0; i < tensor_group.params.size(); ++i) {
        tensor_group.grads.push_back(
            fitting_gradient(tensor_group.sources[i], tensor_group.names[i]));
        defined += tensor_group.grads.back().defined();
    }
    if (defined == 0)
        tensor_group.grads.clear();
    else if (defined != tensor_group.params.size())
        split(index);
}

void TensorGroupOptimizer::split(size_t index) {
    TensorGroup used, unused;
    const TensorGroup& tensor_group = tensor_groups_[index];
    for (size_t i = 0; i < tensor_group.params.size(); ++i)
        append(tensor_group.grads[i].defined() ? used : unused, tensor_group, i);
    used.group = unused.group = tensor_group.group;
    used.kind = unused.kind = tensor_group.kind;
    used.scalars = unused.scalars = tensor_group.scalars;
    if (tensor_group.started()) {
        used.step = tensor_group.step;
        used.steps.assign(used.params.size(), used.step);
        unused.step = tensor_group.step.clone();
        unused.steps.assign(unused.params.size(), unused.step);
    }
    tensor_groups_[index] = std::move(used);
    tensor_groups_.push_back(std::move(unused));
}

void TensorGroupOptimizer::start(TensorGroup& tensor_group) const {
    if (tensor_group.started()) return;
    const ParamGroup& group = groups()[tensor_group.group];
    tensor_group.states.resize(kinds_[tensor_group.kind].tensors.size());
    for (size_t s = 0; s < tensor_group.states.size(); ++s)
        for (const Tensor& param : tensor_group.params)
            tensor_group.states[s].push_back(initial_state(tensor_group.kind, s, param, group));
    if (!kinds_[tensor_group.kind].scalars.empty()) tensor_group.scalars = initial_scalars(group);
    tensor_group.step =
        at::zeros({}, at::device(step_device(tensor_group.params[0])).dtype(at::kFloat));
    tensor_group.steps.assign(tensor_group.params.size(), tensor_group.step);
}

}  // namespace ailab
