#include "fused_optimizer.hpp"

namespace ailab {

void FusedOptimizer::update_tensor_groups(std::vector<TensorGroup>& tensor_groups,
                                          const Tensor& grad_scale, const Tensor& found_inf) {
    auto optional = [](const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
    for (TensorGroup& tensor_group : tensor_groups) {
        if (tensor_group.grads.empty()) continue;
        const bool first = !tensor_group.started();
        // The kernels would take a first step that was left out for one that was made.
        if (first && found_inf.defined() && found_inf.item<double>() != 0) continue;
        start(tensor_group);
        tensor_group.count_step();
        if (found_inf.defined()) tensor_group.step.sub_(found_inf);
        update(tensor_group, groups()[tensor_group.group], first, optional(grad_scale),
               optional(found_inf));
    }
}

}  // namespace ailab
