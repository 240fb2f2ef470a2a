#include "tone.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "luma.hpp"
#include "vectorised.hpp"

namespace ailab::image {
namespace {

using Histogram = std::array<int64_t, 256>;

std::vector<Histogram> histograms(const Tensor& image) {
    const Tensor rows = rows_of(image);
    const int64_t channels = image.size(0);
    std::vector<Histogram> result(size_t(channels), Histogram{});
    const auto* from = rows.const_data_ptr<uint8_t>();
    for (int64_t i = 0; i < image.numel(); i += channels)
        for (int64_t c = 0; c < channels; ++c) ++result[size_t(c)][from[i + c]];
    return result;
}

template <class F>
ByteTable table_of(const F& f) {
    ByteTable table;
    for (size_t i = 0; i < table.size(); ++i) table[i] = f(int(i));
    return table;
}

ByteTable stretching(const Histogram& histogram) {
    const auto used = [](int64_t count) { return count != 0; };
    const auto low =
        float(std::find_if(histogram.begin(), histogram.end(), used) - histogram.begin());
    const auto high =
        float(histogram.rend() - std::find_if(histogram.rbegin(), histogram.rend(), used) - 1);
    const bool flat = low == high;
    const float scale = flat ? 1 : (high - low) * float(1.0 / 255);
    return table_of(
        [&](int i) { return clipped<uint8_t>((float(i) - (flat ? 0 : low)) / scale, 255); });
}

/// Pillow's rule, in integers: what lies below a value, in steps of a 255th of all pixels but those
/// of the brightest value.
ByteTable equalizing(const Histogram& histogram) {
    const int64_t pixels = std::accumulate(histogram.begin(), histogram.end(), int64_t(0));
    const auto brightest = std::find_if(histogram.rbegin(), histogram.rend(),
                                        [](int64_t count) { return count != 0; });
    const int64_t step = (pixels - *brightest) / 255;
    if (step == 0) return table_of([](int i) { return uint8_t(i); });
    int64_t below = 0;
    return table_of([&](int i) {
        const int64_t level = (below + step / 2) / step;
        below += histogram[size_t(i)];
        return uint8_t(std::min<int64_t>(level, 255));
    });
}

Tensor map_channels(const Tensor& image, ByteTable (*rule)(const Histogram&)) {
    std::vector<ByteTable> tables;
    for (const Histogram& histogram : histograms(image)) tables.push_back(rule(histogram));
    return map_bytes(image, tables);
}

Tensor map_by(const Tensor& image, const ByteTable& table) {
    return map_bytes(image, {&table, 1});
}

}  // namespace

Tensor posterize(const Tensor& image, int bits) {
    if (bits >= 8) return image;
    const int mask = ((1 << bits) - 1) << (8 - bits);
    return map_by(image, table_of([&](int i) { return uint8_t(i & mask); }));
}

Tensor solarize(const Tensor& image, double threshold) {
    return map_by(image, table_of([limit = float(threshold)](int i) {
                      return uint8_t(float(i) >= limit ? 255 - i : i);
                  }));
}

Tensor autocontrast(const Tensor& image) {
    return map_channels(image, stretching);
}

Tensor equalize(const Tensor& image) {
    return map_channels(image, equalizing);
}

Tensor invert(const Tensor& image) {
    return map_by(image, table_of([](int i) { return uint8_t(255 - i); }));
}

Tensor adjust_sharpness(const Tensor& image, double factor) {
    const int64_t channels = image.size(0), height = image.size(1), width = image.size(2);
    if (height <= 2 || width <= 2) return image;
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    std::memcpy(result.mutable_data_ptr(), rows.const_data_ptr(), rows.nbytes());
    const auto rest = float(1 - factor);
    const int64_t stride = width * channels;
    for (int64_t y = 1; y + 1 < height; ++y) {
        const auto* __restrict from = rows.const_data_ptr<uint8_t>() + y * stride;
        auto* __restrict to = result.mutable_data_ptr<uint8_t>() + y * stride;
        const auto three = [=](const uint8_t* middle) {
            return middle[-channels] + middle[0] + middle[channels];
        };
        vectorised([=] {
            for (int64_t i = channels; i < stride - channels; ++i) {
                const int sum = three(from + i - stride) + three(from + i) +
                                three(from + i + stride) + 4 * from[i];
                // Rounded thirteenths; there are no halves.
                const auto smooth = float(int(float(sum) * (1.0F / 13.0F) + 0.5F));
                const auto value = float(from[i]);
                to[i] = clipped<uint8_t>(__builtin_fmaf(smooth - value, rest, value), 255);
            }
        });
    }
    return result;
}

}  // namespace ailab::image
