#include "gradient_store.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

namespace ailab {

namespace {

using at::Tensor;

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

/// One pass over the memory: for a small model ATen's operations would cost more than its step, and
/// in float32 they would depend on the order of the sums.
bool is_plain(const Tensor& tensor) {
    return tensor.is_cpu() && tensor.scalar_type() == at::kFloat &&
           tensor.is_non_overlapping_and_dense();
}

/// Of a plain tensor, the same for any number of threads.
double squares(const Tensor& tensor) {
    constexpr int64_t part = 1 << 18;  // more are worth ATen's threads
    const float* values = tensor.const_data_ptr<float>();
    const int64_t count = tensor.numel();
    if (count <= part) return squares(values, count);
    std::vector<double> sums(size_t((count + part - 1) / part));
    at::parallel_for(0, int64_t(sums.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            sums[size_t(i)] = squares(values + i * part, std::min(part, count - i * part));
    });
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
}

/// float64, on the device of the tensors.
Tensor norm_by_operations(const std::vector<Tensor>& tensors, double norm_type) {
    std::vector<Tensor> real;
    for (const Tensor& tensor : tensors)
        real.push_back(tensor.is_complex() ? at::view_as_real(tensor).norm(2, -1) : tensor);
    std::vector<Tensor> norms = at::_foreach_norm(real, norm_type, at::kDouble);
    for (Tensor& norm : norms) norm = norm.to(norms[0].device());
    return at::linalg_vector_norm(at::stack(norms), norm_type);
}

/// factor * scale, where that is defined.
Tensor root_gradient(const StepNumber& factor, const Tensor& scale) {
    if (scale.defined())
        return factor.on_device() ? scale * factor.tensor() : scale * factor.value();
    return factor.on_device() ? factor.tensor() : at::scalar_tensor(factor.value(), at::kDouble);
}

}  // namespace

GradientStore::GradientStore(std::vector<NamedParameter> parameters,
                             c10::intrusive_ptr<c10d::Backend> backend, double bucket_mb)
    : parameters_(std::move(parameters)),
      reducer_(backend ? Reducer::create(parameters_, std::move(backend), bucket_mb) : nullptr) {}

void GradientStore::begin() {
    reducer_ ? reducer_->begin() : end();
}

void GradientStore::backward(const std::vector<Tensor>& roots,
                             const std::vector<StepNumber>& factors, bool reduces,
                             const Tensor& scale) {
    if (reducer_ && reduces) reducer_->arm();
    const bool on_host = std::none_of(factors.begin(), factors.end(),
                                      [](const StepNumber& factor) { return factor.on_device(); });
    if (scale.defined() || !on_host) {
        std::vector<Tensor> gradients;
        for (size_t i = 0; i < roots.size(); ++i)
            gradients.push_back(
                root_gradient(factors[i], scale).to(roots[i].device(), roots[i].scalar_type()));
        return torch::autograd::backward(roots, gradients);
    }
    // The factor enters as the root's gradient: no operation, and the tensor is made once.
    const bool same =
        std::equal(factors.begin(), factors.end(), root_factors_.begin(), root_factors_.end(),
                   [](const StepNumber& factor, double known) { return factor.is(known); });
    if (!same || root_gradients_.size() != roots.size()) {
        root_gradients_.clear();
        root_factors_.clear();
        for (size_t i = 0; i < roots.size(); ++i) {
            root_factors_.push_back(factors[i].value());
            root_gradients_.push_back(
                at::full({}, root_factors_[i], roots[i].options().requires_grad(false)));
        }
    }
    torch::autograd::backward(roots, root_gradients_);
}

void GradientStore::set(size_t parameter, const Tensor& gradient) {
    parameters_[parameter].tensor.mutable_grad() = gradient;
}

void GradientStore::reduce(std::vector<StepNumber>& numbers) {
    if (reducer_) return reducer_->reduce(numbers);
    // As those that travel in buckets.
    for (const NamedParameter& parameter : parameters_)
        if (Tensor& gradient = parameter.tensor.mutable_grad();
            gradient.defined() && gradient.layout() != at::kStrided)
            gradient = gradient.to_dense();
    numbers_.begin(numbers);
}

const std::vector<double>& GradientStore::read() {
    return reducer_ ? reducer_->read() : numbers_.read();
}

const std::vector<std::string>& GradientStore::unused() const {
    static const std::vector<std::string> none;
    return reducer_ ? reducer_->unused() : none;
}

bool GradientStore::has(size_t parameter) const {
    return parameters_[parameter].tensor.grad().defined();
}

std::vector<Tensor> GradientStore::present() const {
    std::vector<Tensor> gradients;
    gradients.reserve(parameters_.size());
    for (const NamedParameter& parameter : parameters_)
        if (const Tensor& gradient = parameter.tensor.grad(); gradient.defined())
            gradients.push_back(gradient);
    return gradients;
}

Tensor GradientStore::norm(double norm_type) const {
    const at::NoGradGuard no_grad;
    const std::vector<Tensor> gradients = present();
    if (gradients.empty()) return {};
    const bool is_double = gradients[0].scalar_type() == at::kDouble ||
                           gradients[0].scalar_type() == at::kComplexDouble;
    const at::ScalarType dtype = is_double ? at::kDouble : at::kFloat;
    double total = 0;
    std::vector<Tensor> others;
    for (const Tensor& gradient : gradients) {
        if (norm_type == 2 && is_plain(gradient))
            total += squares(gradient);
        else
            others.push_back(gradient);
    }
    if (others.empty()) return at::scalar_tensor(std::sqrt(total), dtype);
    const Tensor norm = norm_by_operations(others, norm_type);
    return (total == 0 ? norm : (norm.square() + total).sqrt()).to(dtype);
}

void GradientStore::scale(const StepNumber& factor) {
    if (factor.is(1)) return;
    if (reducer_ && !factor.on_device()) return reducer_->scale(factor.value());
    const at::NoGradGuard no_grad;
    std::vector<Tensor> gradients = present();
    if (gradients.empty()) return;
    if (!factor.on_device()) return at::_foreach_mul_(gradients, factor.value());
    for (Tensor& gradient : gradients) gradient.mul_(factor.tensor());
}

void GradientStore::clip_norm(const Tensor& norm, double max_norm) {
    constexpr double epsilon = 1e-6;  // PyTorch's
    const at::NoGradGuard no_grad;
    // On the CPU the norm is known, and mostly there is nothing to do.
    if (norm.is_cpu() && norm.item<double>() + epsilon <= max_norm) return;
    std::vector<Tensor> gradients = present();
    at::_foreach_mul_(gradients, at::clamp_max(max_norm / (norm + epsilon), 1.0));
}

void GradientStore::clip_value(double max_value) {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> gradients = present();
    if (gradients.empty()) return;
    at::_foreach_clamp_min_(gradients, -max_value);
    at::_foreach_clamp_max_(gradients, max_value);
}

void GradientStore::end() {
    if (reducer_) return;  // the views into the buckets stay
    for (const NamedParameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

}  // namespace ailab
