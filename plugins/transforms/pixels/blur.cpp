#include "blur.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>

#include "ailab/error.hpp"
#include "vectorised.hpp"

namespace ailab::image {
namespace {

/// torchvision's: the samples lie within (size - 1) / (2 sqrt 2) of the middle, and exp(-x²) stands
/// for exp(-x²/2).
std::vector<float> kernel(int64_t size, double sigma) {
    const double end = double(size - 1) / (2 * std::sqrt(2.0));
    std::vector<double> weights;
    double total = 0;
    for (int64_t i = 0; i < size; ++i) {
        const double x = size == 1 ? -end : -end + 2 * end * double(i) / double(size - 1);
        weights.push_back(std::exp(-std::pow(x / sigma, 2)));
        total += weights.back();
    }
    std::vector<float> result;
    for (const double weight : weights) result.push_back(float(weight / total));
    return result;
}

int64_t mirrored(int64_t i, int64_t size) {
    return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

/// sum += weight * values, for `count` values.
template <class T>
void add_weighted(const T* __restrict values, float weight, int64_t count, float* __restrict sum) {
    vectorised([=] {
        for (int64_t i = 0; i < count; ++i) sum[i] += weight * float(values[i]);
    });
}

void round_to(const std::vector<float>& sums, uint8_t* to) {
    const float* from = sums.data();
    const auto count = int64_t(sums.size());
    vectorised([=] {
        for (int64_t i = 0; i < count; ++i) to[i] = uint8_t(std::nearbyint(from[i]));
    });
}

void round_to(const std::vector<float>& sums, float* to) {
    std::memcpy(to, sums.data(), sums.size() * sizeof(float));
}

template <class T>
void blur(const T* from, int64_t channels, int64_t height, int64_t width,
          const std::vector<float>& down, const std::vector<float>& across, T* to) {
    const int64_t stride = width * channels;
    const int64_t reach_down = int64_t(down.size()) / 2, reach = int64_t(across.size()) / 2;
    const auto size = static_cast<size_t>(stride);
    std::vector<float> column(size), wide(size + size_t(2 * reach * channels)), row(size);
    for (int64_t y = 0; y < height; ++y) {
        std::fill(column.begin(), column.end(), 0.0F);
        for (int64_t k = -reach_down; k <= reach_down; ++k)
            add_weighted(from + mirrored(y + k, height) * stride, down[size_t(k + reach_down)],
                         stride, column.data());
        for (int64_t x = -reach; x < width + reach; ++x)
            std::memcpy(wide.data() + (x + reach) * channels,
                        column.data() + mirrored(x, width) * channels,
                        size_t(channels) * sizeof(float));
        std::fill(row.begin(), row.end(), 0.0F);
        for (int64_t k = 0; k < int64_t(across.size()); ++k)
            add_weighted(wide.data() + k * channels, across[size_t(k)], stride, row.data());
        round_to(row, to + y * stride);
    }
}

}  // namespace

Tensor gaussian_blur(const Tensor& image, int64_t height, int64_t width, double sigma) {
    if (height / 2 >= image.size(1) || width / 2 >= image.size(2))
        throw Error(concat("a blur by ", height, " x ", width,
                           " pixels reaches further than an image of ", image.size(1), " x ",
                           image.size(2)));
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    by_type(image, [&](auto type) {
        using T = decltype(type);
        blur(rows.const_data_ptr<T>(), image.size(0), image.size(1), image.size(2),
             kernel(height, sigma), kernel(width, sigma), result.mutable_data_ptr<T>());
    });
    return result;
}

}  // namespace ailab::image
