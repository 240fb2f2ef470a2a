#pragma once
#include <array>
#include <optional>

#include "pixels.hpp"
#include "resample_weights.hpp"
#include "resize.hpp"

namespace ailab::image {

/// x and y, in pixels from the left upper corner unless said otherwise.
using Point = std::array<double, 2>;

struct AffineParameters {
    double angle = 0;  // degrees, clockwise
    Point translate = {0, 0};
    double scale = 1;
    Point shear = {0, 0};         // degrees
    std::optional<Point> center;  // null: the image's
};

/// How pixels between pixels, and those outside of the image, are found: nearest or bilinear.
struct Sampling {
    Interpolation interpolation = Interpolation::nearest;
    /// Null and {0} differ for bilinear: without, the border fades into black.
    std::optional<Fill> fill;
};

/// [C, H, W] moved; keeps its size. Any type: integers are rounded.
Tensor affine(const Tensor& image, const AffineParameters& parameters, const Sampling& sampling);

/// Where affine() moves what lies on the image.
Geometry affine_map(Size size, const AffineParameters& parameters);

/// Turned counter-clockwise by `angle` degrees. `expand`: as large as it must be to hold what was
/// turned about its own center.
Tensor rotate(const Tensor& image, double angle, bool expand, std::optional<Point> center,
              const Sampling& sampling);

/// Where rotate() moves what lies on the image.
Geometry rotation(Size size, double angle, bool expand, std::optional<Point> center);

}  // namespace ailab::image
