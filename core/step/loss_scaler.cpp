#include "loss_scaler.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace ailab {

LossScaler::LossScaler(const AutocastPlan& plan, c10::Device device) : plan_(plan) {
    const auto floats = at::TensorOptions(at::kFloat).device(device);
    scale_ = at::full({}, plan.initial_scale, floats);
    found_inf_ = at::zeros({}, floats);
    found_inf_before_ = at::zeros({}, floats);
    growth_tracker_ = at::zeros({}, floats.dtype(at::kInt));
}

void LossScaler::unscale(const std::vector<Tensor>& gradients) {
    const at::NoGradGuard no_grad;
    if (gradients.empty()) return;
    std::vector<Tensor> numbers = gradients;
    for (Tensor& gradient : numbers)
        if (gradient.is_complex()) gradient = at::view_as_real(gradient);
    at::_amp_foreach_non_finite_check_and_unscale_(
        numbers, found_inf_, scale_.to(at::kDouble).reciprocal().to(at::kFloat));
}

void LossScaler::end_step() {
    const at::NoGradGuard no_grad;
    found_inf_before_.add_(found_inf_);
    found_inf_.zero_();
    has_stepped_ = true;
}

void LossScaler::update() {
    if (!std::exchange(has_stepped_, false)) return;
    const at::NoGradGuard no_grad;
    at::_amp_update_scale_(scale_, growth_tracker_, found_inf_before_, plan_.growth, plan_.backoff,
                           plan_.growth_interval);
    found_inf_before_.zero_();
}

State LossScaler::save_state() const {
    State state;
    state.tensors["scale"] = scale_;
    state.tensors["growth_tracker"] = growth_tracker_;
    return state;
}

void LossScaler::load_state(const State& state) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] :
         {std::pair("scale", scale_), std::pair("growth_tracker", growth_tracker_)}) {
        const auto found = state.tensors.find(name);
        if (found == state.tensors.end())
            throw Error(concat("the saved state of the loss's scale has no ", name));
        tensor.copy_(found->second);
    }
}

}  // namespace ailab
