#pragma once
#include "pixels.hpp"
#include "resample_weights.hpp"

namespace ailab::image {

/// An image of uint8 of another size: rows first, then columns, rounded to uint8 in between, as
/// ATen and Pillow do. Bilinear or bicubic.
Tensor resample_bytes(const Tensor& image, int64_t height, int64_t width,
                      Interpolation interpolation, bool antialias);

}  // namespace ailab::image
