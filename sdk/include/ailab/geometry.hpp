#pragma once
// Where a transform moves the pixels of an image, and all that lies on it.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// In pixels.
struct ImageSize {
    int64_t height = 0;
    int64_t width = 0;

    bool operator==(const ImageSize&) const = default;
    /// "480 x 640".
    AILAB_API std::string str() const;
};

/// A rectangle of an image, in pixels.
struct Region {
    int64_t top = 0;
    int64_t left = 0;
    int64_t height = 0;
    int64_t width = 0;
};

/// [a b c; d e f]: x' = a x + b y + c, y' = d x + e y + f.
using AffineMatrix = std::array<double, 6>;

/// Where each place of an image of one size comes to lie in one of another: any chain of crops,
/// flips, resizings and affine maps, as one matrix. Places are x and y in pixels from the left
/// upper corner: pixel i reaches from i to i + 1. A value; thread-safe.
class AILAB_API Geometry {
  public:
    /// Nothing moves.
    explicit Geometry(ImageSize size) : Geometry(size, {1, 0, 0, 0, 1, 0}, size) {}

    /// A part of the image, which may reach beyond it: so padding is a crop too.
    static Geometry crop(ImageSize size, const Region& part);
    /// Left becomes right.
    static Geometry flip_horizontally(ImageSize size);
    /// Top becomes bottom.
    static Geometry flip_vertically(ImageSize size);
    static Geometry resize(ImageSize from, ImageSize to);
    /// `matrix` gives new places from old ones.
    static Geometry affine(ImageSize from, const AffineMatrix& matrix, ImageSize to) {
        return Geometry(from, matrix, to);
    }

    ImageSize input() const { return input_; }
    ImageSize output() const { return output_; }
    const AffineMatrix& matrix() const { return matrix_; }
    /// Whether what was left of something is right of it afterwards.
    bool is_mirrored() const { return matrix_[0] * matrix_[4] < matrix_[1] * matrix_[3]; }

    /// This, and `next` of what comes out. Throws Error when that takes another size.
    Geometry then(const Geometry& next) const;
    /// The way back, as for what a model has found in the moved image. Throws Error when there is
    /// none.
    Geometry inverse() const;

    /// {x', y'}.
    std::array<double, 2> apply(double x, double y) const {
        const AffineMatrix& m = matrix_;
        return {m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]};
    }
    /// Boxes and keypoints as FieldRole describes them: none is dropped, nor marked as invisible.
    at::Tensor apply_to_boxes(const at::Tensor& boxes) const;
    at::Tensor apply_to_points(const at::Tensor& points) const;

  private:
    Geometry(ImageSize input, const AffineMatrix& matrix, ImageSize output)
        : matrix_(matrix), input_(input), output_(output) {}

    AffineMatrix matrix_;
    ImageSize input_, output_;
};

}  // namespace ailab
