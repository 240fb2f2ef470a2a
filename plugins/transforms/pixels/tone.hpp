#pragma once
#include "pixels.hpp"

namespace ailab::image {

// What AutoAugment and its kin are made of, of uint8 alone.

/// Keeps the upper `bits` (0 … 8) of each byte.
Tensor posterize(const Tensor& image, int bits);
/// Inverts the values from `threshold` on.
Tensor solarize(const Tensor& image, double threshold);
/// Stretches each channel to 0 … 255.
Tensor autocontrast(const Tensor& image);
/// Spreads each channel's histogram evenly.
Tensor equalize(const Tensor& image);
Tensor invert(const Tensor& image);
/// Between smoothed (factor 0) and the image (1), and beyond. The border keeps its values.
Tensor adjust_sharpness(const Tensor& image, double factor);

}  // namespace ailab::image
