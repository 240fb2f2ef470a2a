#pragma once
#include <ATen/core/Tensor.h>

namespace ailab {

/// The 4-dimensional tensor [N, C, H, W] with the strides {HWC, 1, WC, C}, also for one channel,
/// where ATen's own channels_last leaves strides that oneDNN takes for the plain layout. Copies
/// only when the memory order differs.
at::Tensor to_channels_last(const at::Tensor& tensor);

}  // namespace ailab
