#pragma once
#include <cstdint>
#include <vector>

namespace ailab::image {

enum class Interpolation { nearest, bilinear, bicubic };

/// How each of the `first.size()` new pixels of a line is made of old ones: the weighted sum of
/// `count` pixels from `first` on. The weights are integers, scaled by 2^precision, as ATen and
/// Pillow have them for uint8, so that the results are theirs to the bit.
struct ResampleWeights {
    std::vector<int32_t> first;
    std::vector<int32_t> count;
    /// `stride` a new pixel, a multiple of 4; those after `count` are 0.
    std::vector<int16_t> weights;
    int64_t stride = 0;
    int32_t most = 0;  // the largest count
    int precision = 0;
};

/// For lines of `from` pixels that become `to`. `antialias` widens the filter when lines shrink.
/// Bicubic is Keys' (IEEE ASSP 29, 1981), with a = -0.5 with antialias, as Pillow, and -0.75
/// without, as OpenCV.
ResampleWeights resample_weights(int64_t from, int64_t to, Interpolation interpolation,
                                 bool antialias);

/// The old pixel that each new one of a line is, without filtering.
std::vector<int64_t> nearest_pixels(int64_t from, int64_t to);

}  // namespace ailab::image
