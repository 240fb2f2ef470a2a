#include "term_gradients.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace ailab {

void TermGradients::begin() {
    gradients_.clear();
}

void TermGradients::add(const std::vector<LossTerm>& terms, int64_t samples,
                        const std::vector<NamedParameter>& parameters, const Tensor& scale) {
    std::vector<Tensor> inputs;
    for (const NamedParameter& parameter : parameters) inputs.push_back(parameter.tensor);
    gradients_.resize(terms.size());
    for (size_t t = 0; t < terms.size(); ++t) {
        if (!terms[t].sum.requires_grad()) continue;
        Tensor root = at::full({}, terms[t].is_mean ? double(samples) : 1.0,
                               terms[t].sum.options().requires_grad(false));
        if (scale.defined()) root = (root * scale).to(terms[t].sum.scalar_type());
        const std::vector<Tensor> found = torch::autograd::grad(
            {terms[t].sum}, inputs, {root}, /*retain_graph=*/t + 1 < terms.size(),
            /*create_graph=*/false, /*allow_unused=*/true);
        const at::NoGradGuard no_grad;
        std::vector<Tensor>& kept = gradients_[t];
        kept.resize(inputs.size());
        for (size_t i = 0; i < inputs.size(); ++i) {
            if (!found[i].defined()) continue;
            if (kept[i].defined())
                kept[i].add_(found[i]);
            else
                kept[i] = found[i].clone();
        }
    }
}

void TermGradients::combine(const std::vector<StepNumber>& factors,
                            GradientStore& gradients) const {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < gradients.parameters().size(); ++i) {
        Tensor total;
        for (size_t t = 0; t < gradients_.size(); ++t) {
            if (gradients_[t].empty() || !gradients_[t][i].defined()) continue;
            const double factor = factors[t].value();
            total =
                total.defined() ? total.add_(gradients_[t][i], factor) : gradients_[t][i] * factor;
        }
        if (total.defined()) gradients.set(i, total);
    }
}

}  // namespace ailab
