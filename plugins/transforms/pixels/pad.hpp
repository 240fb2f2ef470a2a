#pragma once
#include "pixels.hpp"

namespace ailab::image {

struct Padding {
    int64_t left = 0, top = 0, right = 0, bottom = 0;

    bool any() const { return left || top || right || bottom; }
};

enum class PaddingMode {
    constant,   // fill
    edge,       // the border's pixel
    reflect,    // mirrored at the border's pixel, which is not repeated
    symmetric,  // mirrored at the border, whose pixel is repeated
};

/// [C, H, W] of any type with pixels around it. `fill` is for `constant`. Throws Error when the
/// image is too small to be mirrored.
Tensor pad(const Tensor& image, const Padding& padding, PaddingMode mode, const Fill& fill);

}  // namespace ailab::image
