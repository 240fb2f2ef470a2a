#pragma once
#include <optional>

#include "ailab/geometry.hpp"
#include "pixels.hpp"
#include "resample_weights.hpp"

namespace ailab::image {

using Size = ImageSize;

inline Size size_of(const Tensor& image) {
    return {image.size(-2), image.size(-1)};
}

/// What an image becomes whose shorter side is to be `shorter`; the longer one at most `longest`.
Size resized(Size size, int64_t shorter, std::optional<int64_t> longest);

/// The image in another size. `antialias` widens the filter where the image shrinks; without
/// effect for nearest.
Tensor resize(const Tensor& image, Size size, Interpolation interpolation, bool antialias);

/// The nearest pixels of [..., H, W] of any type.
Tensor resize_nearest(const Tensor& pixels, Size size);

}  // namespace ailab::image
