#include "evaluation_weights.hpp"

#include <ATen/ATen.h>

namespace ailab {

void EvaluationWeights::put_in(const std::vector<std::pair<at::Tensor, at::Tensor>>& weights) {
    if (weights.empty() || !parameters_.empty()) return;
    const at::NoGradGuard no_grad;
    for (const auto& [parameter, other] : weights) {
        parameters_.push_back(parameter.detach());
        others_.push_back(other);
        own_.push_back(parameter.detach().clone());
    }
    at::_foreach_copy_(parameters_, others_);
}

void EvaluationWeights::take_out() {
    if (parameters_.empty()) return;
    const at::NoGradGuard no_grad;
    at::_foreach_copy_(parameters_, own_);
    parameters_.clear();
    others_.clear();
    own_.clear();
}

std::vector<std::pair<at::Tensor, at::Tensor>> EvaluationWeights::present() const {
    std::vector<std::pair<at::Tensor, at::Tensor>> all;
    for (size_t i = 0; i < parameters_.size(); ++i) all.emplace_back(parameters_[i], others_[i]);
    return all;
}

}  // namespace ailab
