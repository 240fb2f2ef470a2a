#include "autocast.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

namespace ailab {

AutocastScope::AutocastScope(const std::optional<AutocastPlan>& plan, c10::DeviceType device)
    : active_(plan.has_value()), device_(device) {
    if (!active_) return;
    was_enabled_ = at::autocast::is_autocast_enabled(device_);
    dtype_before_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, plan->dtype);
    at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
    if (!active_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_enabled_);
    at::autocast::set_autocast_dtype(device_, dtype_before_);
}

void to_full_precision(BatchField& field) {
    const auto widen = [](Tensor& tensor) {
        if (tensor.defined() &&
            (tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf))
            tensor = tensor.to(at::kFloat);
    };
    if (auto* tensor = std::get_if<Tensor>(&field)) widen(*tensor);
    if (auto* list = std::get_if<std::vector<Tensor>>(&field))
        for (Tensor& tensor : *list) widen(tensor);
}

}  // namespace ailab
