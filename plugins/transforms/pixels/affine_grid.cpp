#include "affine_grid.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "vectorised.hpp"

namespace ailab::image {
namespace {

float from_center(int64_t i, int64_t count) {
    return float(i) - float(count - 1) * 0.5F;
}

}  // namespace

AffineGrid::AffineGrid(const Matrix& matrix, Size from, Size to) : from_(from), to_(to) {
    for (size_t i = 0; i < scaled_.size(); ++i)
        scaled_[i] = float(matrix[i]) / float(0.5 * double(i < 3 ? from.width : from.height));
}

Tensor AffineGrid::tensor() const {
    Tensor grid = at::empty({1, to_.height, to_.width, 2}, at::kFloat);
    float* place = grid.mutable_data_ptr<float>();
    const auto [a, b, c, d, e, f] = scaled_;
    for (int64_t row = 0; row < to_.height; ++row) {
        const float y = from_center(row, to_.height);
        for (int64_t column = 0; column < to_.width; ++column, place += 2) {
            const float x = from_center(column, to_.width);
            place[0] = (x * a + y * b) + c;
            place[1] = (x * d + y * e) + f;
        }
    }
    return grid;
}

void AffineGrid::nearest(int64_t row, int32_t* pixels) const {
    vectorised([this, row, pixels] {
        const float a = scaled_[0], b = scaled_[1], c = scaled_[2];
        const float d = scaled_[3], e = scaled_[4], f = scaled_[5];
        const auto height = float(from_.height), width = float(from_.width);
        const float y = from_center(row, to_.height);
        for (int64_t i = 0; i < to_.width; ++i) {
            const float x = from_center(i, to_.width);
            const float grid_x = (x * a + y * b) + c, grid_y = (x * d + y * e) + f;
            // Not beyond what an int32 holds.
            const float column =
                std::clamp(std::nearbyint((grid_x + 1) * (width * 0.5F) - 0.5F), -1.0F, width);
            const float line =
                std::clamp(std::nearbyint((grid_y + 1) * (height * 0.5F) - 0.5F), -1.0F, height);
            const bool inside = column >= 0 && column < width && line >= 0 && line < height;
            const int32_t pixel = int32_t(line) * int32_t(from_.width) + int32_t(column);
            pixels[i] = inside ? pixel : -1;
        }
    });
}

}  // namespace ailab::image
