#include "color.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "luma.hpp"
#include "vectorised.hpp"

namespace ailab::image {
namespace {

/// Each value by itself: of bytes by a table.
template <class F>
Tensor map_values(const Tensor& image, const F& f) {
    if (image.scalar_type() == at::kByte) {
        ByteTable table;
        for (size_t i = 0; i < table.size(); ++i)
            table[i] = clipped<uint8_t>(f(float(i)), bound<uint8_t>);
        return map_bytes(image, {&table, 1});
    }
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    const auto* from = rows.const_data_ptr<float>();
    auto* to = result.mutable_data_ptr<float>();
    const int64_t count = image.numel();
    vectorised([=] {
        for (int64_t i = 0; i < count; ++i) to[i] = clipped<float>(f(from[i]), bound<float>);
    });
    return result;
}

/// The mean gray. Summed in one order and without rounding for bytes, so that it is the same on
/// any number of threads.
float mean_gray(const Tensor& image) {
    const Tensor rows = rows_of(image);
    const int64_t channels = image.size(0), pixels = image.size(1) * image.size(2);
    return by_type(image, [&](auto type) {
        using T = decltype(type);
        const T* from = rows.const_data_ptr<T>();
        using Sum = std::conditional_t<std::is_same_v<T, uint8_t>, int64_t, double>;
        Sum sum = 0;
        vectorised([&] {
            for (int64_t i = 0; i < pixels; ++i)
                sum += Sum(channels == 1 ? float(from[i]) : luma_of(from + i * 3));
        });
        return float(double(sum) / double(pixels));
    });
}

/// f(red, green, blue) changes each pixel's values, which come and go as floats; bytes are cut.
template <class F>
Tensor map_colors(const Tensor& image, const F& f) {
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    const int64_t pixels = image.size(1) * image.size(2);
    by_type(image, [&](auto type) {
        using T = decltype(type);
        const T* __restrict from = rows.const_data_ptr<T>();
        T* __restrict to = result.mutable_data_ptr<T>();
        vectorised([=] {
            // Colors apart, so that a vector holds one of them.
            constexpr int64_t block = 64;
            float red[block] = {}, green[block] = {}, blue[block] = {};
            for (int64_t done = 0; done < pixels; done += block) {
                const int64_t count = std::min(block, pixels - done);
                for (int64_t i = 0; i < count; ++i) {
                    const T* pixel = from + (done + i) * 3;
                    red[i] = float(pixel[0]);
                    green[i] = float(pixel[1]);
                    blue[i] = float(pixel[2]);
                }
                for (int64_t i = 0; i < block; ++i) f(red[i], green[i], blue[i]);
                for (int64_t i = 0; i < count; ++i) {
                    T* pixel = to + (done + i) * 3;
                    pixel[0] = T(red[i]);
                    pixel[1] = T(green[i]);
                    pixel[2] = T(blue[i]);
                }
            }
        });
    });
    return result;
}

/// Of the unit cube, as Pillow and torchvision turn it: to HSV, and back with another hue. In
/// selections instead of branches, for the vector unit.
struct HueTurn {
    float turn, down, up;  // down to the unit cube, and up again

    void operator()(float& red, float& green, float& blue) const {
        const float r = red * down, g = green * down, b = blue * down;
        const float high = std::max(r, std::max(g, b)), low = std::min(r, std::min(g, b));
        const float range = high - low;
        const bool gray = range == 0;
        const float divisor = gray ? 1 : range;
        const float saturation = range / (gray ? 1 : high);
        const float rc = (high - r) / divisor, gc = (high - g) / divisor, bc = (high - b) / divisor;
        const float by_green = (rc + 2) - bc, by_blue = (gc + 4) - rc;
        const float sector = high == r ? bc - gc : high == g ? by_green : by_blue;
        float hue = sector * float(1.0 / 6.0) + 1;
        hue = hue - std::floor(hue) + turn;
        const float sixfold = (hue - std::floor(hue)) * 6;
        const float whole = std::floor(sixfold), fraction = sixfold - whole;
        const float i = whole == 6 ? 0 : whole;
        const float sf = saturation * fraction, rest = 1 - saturation;
        const float v = high * up, q = unit((1 - sf) * high) * up,
                    t = unit((sf + rest) * high) * up, p = unit(rest * high) * up;
        red = i == 0 ? v : i == 1 ? q : i == 4 ? t : i == 5 ? v : p;
        green = i == 0 ? t : i == 1 ? v : i == 2 ? v : i == 3 ? q : p;
        blue = i == 2 ? t : i == 3 ? v : i == 4 ? v : i == 5 ? q : p;
    }

    static float unit(float value) { return value < 0 ? 0 : value > 1 ? 1 : value; }
};

}  // namespace

Tensor adjust_brightness(const Tensor& image, double factor) {
    const auto ratio = float(factor);
    return map_values(image, [ratio](float value) { return value * ratio; });
}

Tensor adjust_contrast(const Tensor& image, double factor) {
    const auto ratio = float(factor), rest = float(1 - factor);
    const float mean = mean_gray(image);
    return map_values(image,
                      [=](float value) { return __builtin_fmaf(mean, rest, value * ratio); });
}

Tensor adjust_saturation(const Tensor& image, double factor) {
    if (image.size(0) == 1) return image;
    const auto ratio = float(factor), rest = float(1 - factor);
    const bool bytes = image.scalar_type() == at::kByte;
    const float white = bytes ? bound<uint8_t> : bound<float>;
    return map_colors(image, [=](float& red, float& green, float& blue) {
        const float exact = luma(red, green, blue);
        const float gray = bytes ? std::floor(exact) : exact;
        for (float* color : {&red, &green, &blue})
            *color = clipped<float>(__builtin_fmaf(gray, rest, *color * ratio), white);
    });
}

Tensor adjust_hue(const Tensor& image, double factor) {
    if (image.size(0) == 1) return image;
    const auto turn = float(factor);
    if (image.scalar_type() == at::kFloat) return map_colors(image, HueTurn{turn, 1, 1});
    // Almost a level more than 255, so that 1.0 alone does not make the last level.
    return map_colors(image, HueTurn{turn, float(1.0 / 255), float(255 + 1.0 - 1e-3)});
}

Tensor grayscale(const Tensor& image, int64_t channels) {
    if (image.size(0) == channels && channels == 1) return image;
    Tensor result = new_image(channels, image.size(1), image.size(2), image.scalar_type());
    if (image.size(0) == 1) return result.copy_(image.expand_as(result));
    const Tensor rows = rows_of(image);
    const int64_t pixels = image.size(1) * image.size(2);
    by_type(image, [&](auto type) {
        using T = decltype(type);
        const T* __restrict from = rows.const_data_ptr<T>();
        T* __restrict to = result.mutable_data_ptr<T>();
        vectorised([=] {
            for (int64_t i = 0; i < pixels; ++i) {
                const T gray = T(luma_of(from + i * 3));
                for (int64_t c = 0; c < channels; ++c) to[i * channels + c] = gray;
            }
        });
    });
    return result;
}

}  // namespace ailab::image
