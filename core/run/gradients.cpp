#include "gradients.hpp"

#include <ATen/ATen.h>

namespace ailab {

std::vector<at::Tensor> gradients_of(const std::vector<NamedParameter>& parameters) {
    std::vector<at::Tensor> gradients;
    gradients.reserve(parameters.size());
    for (const NamedParameter& parameter : parameters)
        if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
    return gradients;
}

at::Tensor norm_of(const std::vector<at::Tensor>& gradients, double norm_type) {
    if (gradients.empty()) return {};
    std::vector<at::Tensor> norms = at::_foreach_norm(gradients, norm_type);
    for (at::Tensor& norm : norms) norm = norm.to(norms[0].device(), norms[0].scalar_type());
    return at::linalg_vector_norm(at::stack(norms), norm_type);
}

void clip_norm(std::vector<at::Tensor>& gradients, const at::Tensor& norm, double max_norm) {
    constexpr double epsilon = 1e-6;  // PyTorch's
    at::_foreach_mul_(gradients, at::clamp_max(max_norm / (norm + epsilon), 1.0));
}

void clip_value(std::vector<at::Tensor>& gradients, double max_value) {
    at::_foreach_clamp_min_(gradients, -max_value);
    at::_foreach_clamp_max_(gradients, max_value);
}

}  // namespace ailab
