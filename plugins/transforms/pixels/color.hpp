#pragma once
#include "pixels.hpp"

namespace ailab::image {

/// Multiplies by the factor.
Tensor adjust_brightness(const Tensor& image, double factor);
/// Between the mean gray (factor 0) and the image (1), and beyond.
Tensor adjust_contrast(const Tensor& image, double factor);
/// Between the gray image (factor 0) and the image (1), and beyond.
Tensor adjust_saturation(const Tensor& image, double factor);
/// Turns the hue by the factor, -0.5 … 0.5 of the color circle.
Tensor adjust_hue(const Tensor& image, double factor);

/// ITU-R 601 luma, in 1 or 3 (equal) channels.
Tensor grayscale(const Tensor& image, int64_t channels);

}  // namespace ailab::image
