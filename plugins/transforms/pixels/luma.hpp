#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace ailab::image {

/// ITU-R 601 luma, in the order and rounding of ATen's three operations.
inline float luma(float red, float green, float blue) {
    return __builtin_fmaf(blue, 0.114F, __builtin_fmaf(green, 0.587F, red * 0.2989F));
}

/// The same of a pixel's three values; cut to an integer for bytes.
template <class T>
float luma_of(const T* pixel) {
    const float gray = luma(float(pixel[0]), float(pixel[1]), float(pixel[2]));
    return std::is_same_v<T, uint8_t> ? float(int(gray)) : gray;
}

/// Brings a float into the pixel's range; bytes are cut, not rounded.
template <class T>
T clipped(float value, float bound) {
    value = value < 0 ? 0 : value > bound ? bound : value;
    return T(value);
}

}  // namespace ailab::image
