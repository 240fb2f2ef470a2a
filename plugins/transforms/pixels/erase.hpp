#pragma once
#include "ailab/image.hpp"
#include "pixels.hpp"

namespace ailab::image {

/// Overwrites a part of the image, in place. `value` [C, H, W] of the part, or what broadcasts to
/// it.
void erase(Tensor& image, const Region& part, const Tensor& value);

}  // namespace ailab::image
