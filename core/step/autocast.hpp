#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "ailab/batch.hpp"
#include "ailab/hook.hpp"

namespace ailab {

/// While it lives, operations that a plan's dtype is safe for run in it (LibTorch's autocast).
/// Weights that were converted are kept until the end.
class AutocastScope {
  public:
    AutocastScope(const std::optional<AutocastPlan>& plan, c10::DeviceType device);
    ~AutocastScope();
    AutocastScope(const AutocastScope&) = delete;
    AutocastScope& operator=(const AutocastScope&) = delete;

  private:
    const bool active_;
    const c10::DeviceType device_;
    bool was_enabled_ = false;
    at::ScalarType dtype_before_ = at::kFloat;
};

/// A floating-point field of lower precision as float32.
void to_full_precision(BatchField& field);

}  // namespace ailab
