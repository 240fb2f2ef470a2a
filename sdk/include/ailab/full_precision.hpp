#pragma once
#include <ATen/autocast_mode.h>

namespace ailab {

/// While it lives, the operations of this thread run in the dtype of their inputs also under
/// AMPHook: for the parts of a model that need float32. Convert the inputs with `.to(at::kFloat)`.
///
///     Tensor forward(const Tensor& x) override {
///         const Tensor features = backbone(x);
///         const ailab::FullPrecision full(features);
///         return head(features.to(at::kFloat));
///     }
class FullPrecision {
  public:
    explicit FullPrecision(const at::Tensor& like)
        : device_(like.device().type()), was_enabled_(at::autocast::is_autocast_enabled(device_)) {
        at::autocast::set_autocast_enabled(device_, false);
    }
    ~FullPrecision() { at::autocast::set_autocast_enabled(device_, was_enabled_); }
    FullPrecision(const FullPrecision&) = delete;
    FullPrecision& operator=(const FullPrecision&) = delete;

  private:
    const c10::DeviceType device_;
    const bool was_enabled_;
};

}  // namespace ailab
