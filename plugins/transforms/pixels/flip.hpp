#pragma once
#include "pixels.hpp"

namespace ailab::image {

/// Left becomes right. [..., W] of any type; images keep the memory order H, W, C.
Tensor flip_horizontally(const Tensor& pixels);
/// Top becomes bottom. [..., H, W].
Tensor flip_vertically(const Tensor& pixels);

}  // namespace ailab::image
