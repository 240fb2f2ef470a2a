#pragma once
#include <array>

#include "pixels.hpp"
#include "resize.hpp"

namespace ailab::image {

/// From new places to old ones, relative to the images' centers: [a b c; d e f].
using Matrix = std::array<double, 6>;

/// Where each pixel of a moved image comes from. In float32 and in the order of operations of
/// torchvision (grid_sample without align_corners), so that the nearest pixel is the same one.
class AffineGrid {
  public:
    AffineGrid(const Matrix& matrix, Size from, Size to);

    /// [1, H, W, 2] for grid_sample: -1 … 1 over the old image.
    Tensor tensor() const;
    /// Of the row's pixels the numbers of the nearest old ones, row by row; -1 outside.
    void nearest(int64_t row, int32_t* pixels) const;

  private:
    std::array<float, 6> scaled_;
    Size from_, to_;
};

}  // namespace ailab::image
