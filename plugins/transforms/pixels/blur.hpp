#pragma once
#include "pixels.hpp"

namespace ailab::image {

/// Gaussian blur by a kernel of `height` x `width` (odd) pixels. Mirrored at the border, whose
/// pixel is not repeated: throws Error when the kernel reaches further than the image.
Tensor gaussian_blur(const Tensor& image, int64_t height, int64_t width, double sigma);

}  // namespace ailab::image
