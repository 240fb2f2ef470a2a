#pragma once
// The inner loops of resample_bytes(). Each comes for every machine and, where that is much faster,
// for AVX2; both give the same bytes.
#include <cstdint>

#include "resample_weights.hpp"

namespace ailab::image {

/// How many bytes after a row's end resample_two_rows() may read.
inline int64_t read_beyond(const ResampleWeights& weights) {
    return weights.stride * 3 + 16;
}
/// Two rows at once.
void resample_two_rows(const uint8_t* a, const uint8_t* b, int64_t channels,
                       const ResampleWeights& weights, uint8_t* to_a, uint8_t* to_b);
/// One row, and nothing beyond it.
void resample_row(const uint8_t* from, int64_t channels, const ResampleWeights& weights,
                  uint8_t* to);

/// The weighted sum of `count` rows of `bytes` bytes that lie one after another from `rows` on.
void sum_rows(const uint8_t* rows, int64_t bytes, const int16_t* weights, int32_t count,
              int precision, uint8_t* to);

}  // namespace ailab::image
