#include "gradients.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ailab {

namespace {

/// The sum of squares, in blocks small enough for float32. Lanes, so that the compiler may use
/// vectors.
double squares(const float* values, int64_t count) {
    constexpr int64_t lanes = 16, block = 64 * lanes;
    double total = 0;
    for (int64_t begin = 0; begin < count; begin += block) {
        const int64_t end = std::min(begin + block, count);
        float sums[lanes] = {};
        int64_t i = begin;
        for (; i + lanes <= end; i += lanes)
            for (int64_t lane = 0; lane < lanes; ++lane)
                sums[lane] += values[i + lane] * values[i + lane];
        for (; i < end; ++i) sums[0] += values[i] * values[i];
        for (const float sum : sums) total += double(sum);
    }
    return total;
}

/// A pass over the memory, where ATen's operations would cost a small model more than its step.
bool is_plain(const at::Tensor& tensor) {
    constexpr int64_t small = 1 << 18;  // larger ones are worth ATen's threads
    return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.numel() <= small &&
           tensor.is_non_overlapping_and_dense();
}

}  // namespace

std::vector<at::Tensor> gradients_of(const std::vector<NamedParameter>& parameters) {
    std::vector<at::Tensor> gradients;
    gradients.reserve(parameters.size());
    for (const NamedParameter& parameter : parameters)
        if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
    return gradients;
}

at::Tensor norm_of(const std::vector<at::Tensor>& gradients, double norm_type) {
    if (gradients.empty()) return {};
    if (norm_type == 2 && std::all_of(gradients.begin(), gradients.end(), is_plain)) {
        double total = 0;
        for (const at::Tensor& gradient : gradients)
            total += squares(gradient.const_data_ptr<float>(), gradient.numel());
        return at::scalar_tensor(std::sqrt(total), at::kFloat);
    }
    std::vector<at::Tensor> norms = at::_foreach_norm(gradients, norm_type);
    for (at::Tensor& norm : norms) norm = norm.to(norms[0].device(), norms[0].scalar_type());
    return at::linalg_vector_norm(at::stack(norms), norm_type);
}

void clip_norm(std::vector<at::Tensor>& gradients, const at::Tensor& norm, double max_norm) {
    constexpr double epsilon = 1e-6;  // PyTorch's
    // On the CPU the norm is known, and mostly there is nothing to do.
    if (norm.is_cpu() && norm.item<double>() + epsilon <= max_norm) return;
    at::_foreach_mul_(gradients, at::clamp_max(max_norm / (norm + epsilon), 1.0));
}

void clip_value(std::vector<at::Tensor>& gradients, double max_value) {
    at::_foreach_clamp_min_(gradients, -max_value);
    at::_foreach_clamp_max_(gradients, max_value);
}

}  // namespace ailab
