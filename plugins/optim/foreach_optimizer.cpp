#include "foreach_optimizer.hpp"

namespace ailab {

void ForeachOptimizer::update_tensor_groups(std::vector<TensorGroup>& tensor_groups,
                                            const Tensor& grad_scale, const Tensor& found_inf) {
    if (found_inf.defined() && found_inf.item<double>() != 0) return;
    if (grad_scale.defined())
        for (TensorGroup& tensor_group : tensor_groups)
            if (!tensor_group.grads.empty())
                tensor_group.grads = at::_foreach_div(tensor_group.grads, grad_scale);
    prepare(tensor_groups);
    for (TensorGroup& tensor_group : tensor_groups) {
        if (tensor_group.grads.empty()) continue;
        start(tensor_group);
        tensor_group.count_step();
        update(tensor_group, groups()[tensor_group.group], tensor_group.step.item<double>());
    }
}

TensorVector descent(const TensorGroup& tensor_group, bool maximize, double weight_decay) {
    TensorVector grads = maximize ? at::_foreach_neg(tensor_group.grads) : tensor_group.grads;
    if (weight_decay == 0) return grads;
    if (!maximize) return at::_foreach_add(grads, tensor_group.params, weight_decay);
    at::_foreach_add_(grads, tensor_group.params, weight_decay);
    return grads;
}

TensorVector decayed_descent(TensorGroup& tensor_group, const ParamGroup& group, bool maximize,
                             bool decoupled) {
    if (!decoupled) return descent(tensor_group, maximize, group.weight_decay);
    if (group.weight_decay != 0)
        at::_foreach_mul_(tensor_group.params, 1 - group.lr * group.weight_decay);
    return descent(tensor_group, maximize);
}

void average(TensorVector& avg, const TensorVector& values, double beta) {
    at::_foreach_lerp_(avg, values, 1 - beta);
}

void average_squares(TensorVector& avg, const TensorVector& values, double beta) {
    at::_foreach_mul_(avg, beta);
    at::_foreach_addcmul_(avg, values, values, 1 - beta);
}

TensorVector root_plus(const TensorVector& values, double eps) {
    TensorVector result = at::_foreach_sqrt(values);
    at::_foreach_add_(result, eps);
    return result;
}

void apply_caution(TensorVector& updates, const TensorVector& grads) {
    TensorVector masks = at::_foreach_mul(updates, grads);
    at::_foreach_sign_(masks);
    at::_foreach_clamp_min_(masks, 0);
    TensorVector shares;
    for (const Tensor& mask : masks) shares.push_back(mask.mean());
    at::_foreach_clamp_min_(shares, 1e-3);
    at::_foreach_div_(masks, shares);
    at::_foreach_mul_(updates, masks);
}

}  // namespace ailab
