#include "resample_loops.hpp"

#include <algorithm>
#include <cstring>

#include "vectorised.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ailab::image {
namespace {

uint8_t to_byte(int sum, int precision) {
    return uint8_t(std::clamp(sum >> precision, 0, 255));
}

template <int64_t channels>
void resample_row_of(const uint8_t* from, const ResampleWeights& weights, uint8_t* to) {
    const int16_t* weight = weights.weights.data();
    for (size_t x = 0; x < weights.first.size(); ++x, weight += weights.stride, to += channels) {
        int sum[channels];
        std::fill_n(sum, channels, 1 << (weights.precision - 1));
        const uint8_t* pixel = from + weights.first[x] * channels;
        for (int32_t k = 0; k < weights.count[x]; ++k, pixel += channels)
            for (int64_t c = 0; c < channels; ++c) sum[c] += weight[k] * pixel[c];
        for (int64_t c = 0; c < channels; ++c) to[c] = to_byte(sum[c], weights.precision);
    }
}

void sum_bytes(const uint8_t* rows, int64_t bytes, const int16_t* weights, int32_t count,
               int precision, uint8_t* to) {
    for (int64_t i = 0; i < bytes; ++i) {
        int sum = 1 << (precision - 1);
        for (int32_t k = 0; k < count; ++k) sum += weights[k] * rows[k * bytes + i];
        to[i] = to_byte(sum, precision);
    }
}

#if defined(__x86_64__)
AILAB_AVX2 inline __m256i two_weights(const int16_t* weights) {
    int32_t both;
    std::memcpy(&both, weights, sizeof both);
    return _mm256_set1_epi32(both);
}

/// 16 bytes of each row.
AILAB_AVX2 inline __m256i two_pixel_rows(const uint8_t* a, const uint8_t* b) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}

/// One row in each half of the register. Of four pixels red 0 and red 1 become one pair of int16,
/// green 0 and 1 the next, blue the third: madd multiplies each with its weight and adds the two.
AILAB_AVX2 void resample_two_rows_rgb(const uint8_t* a, const uint8_t* b,
                                      const ResampleWeights& weights, uint8_t* to_a,
                                      uint8_t* to_b) {
    const __m256i pixels_0_1 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i pixels_2_3 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m256i half = _mm256_set1_epi32(1 << (weights.precision - 1));
    const __m128i precision = _mm_cvtsi32_si128(weights.precision);
    const int16_t* weight = weights.weights.data();
    const size_t width = weights.first.size();
    // The same steps for every pixel, which the branch predictor learns; weights not used are 0.
    const int32_t fours = (weights.most + 1) / 4 * 4;
    const bool two_more = fours < weights.most;
    for (size_t x = 0; x < width; ++x, weight += weights.stride) {
        const uint8_t* from_a = a + int64_t(weights.first[x]) * 3;
        const uint8_t* from_b = b + int64_t(weights.first[x]) * 3;
        __m256i sum = half;
        for (int32_t k = 0; k < fours; k += 4) {
            const __m256i pixels = two_pixel_rows(from_a + k * 3, from_b + k * 3);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, pixels_0_1),
                                                          two_weights(weight + k)));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, pixels_2_3),
                                                          two_weights(weight + k + 2)));
        }
        if (two_more) {
            const __m256i pixels = two_pixel_rows(from_a + fours * 3, from_b + fours * 3);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, pixels_0_1),
                                                          two_weights(weight + fours)));
        }
        sum = _mm256_sra_epi32(sum, precision);
        sum = _mm256_packs_epi32(sum, sum);
        sum = _mm256_packus_epi16(sum, sum);
        const int pixel_a = _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
        const int pixel_b = _mm_cvtsi128_si32(_mm256_extracti128_si256(sum, 1));
        // The fourth byte is the next pixel's, which comes later; the last pixel has none.
        if (x + 1 < width) {
            std::memcpy(to_a + x * 3, &pixel_a, 4);
            std::memcpy(to_b + x * 3, &pixel_b, 4);
        } else {
            std::memcpy(to_a + x * 3, &pixel_a, 3);
            std::memcpy(to_b + x * 3, &pixel_b, 3);
        }
    }
}

/// 32 bytes at `i`. Bytes of two rows are interleaved, so that madd adds both.
AILAB_AVX2 inline void sum_32_bytes(const uint8_t* rows, int64_t bytes, int64_t i,
                                    const int16_t* weights, int32_t count, int precision,
                                    uint8_t* to) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i half = _mm256_set1_epi32(1 << (precision - 1));
    __m256i sum[4] = {half, half, half, half};
    for (int32_t k = 0; k < count; k += 2) {
        // The row after the last has weight 0: any serves.
        const int32_t second = k + 1 < count ? k + 1 : k;
        const __m256i a =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + k * bytes + i));
        const __m256i b =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + second * bytes + i));
        const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
        const __m256i weight = two_weights(weights + k);
        const __m256i pairs[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                                  _mm256_unpacklo_epi8(high, zero),
                                  _mm256_unpackhi_epi8(high, zero)};
        for (int j = 0; j < 4; ++j)
            sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(pairs[j], weight));
    }
    const __m128i shift = _mm_cvtsi32_si128(precision);
    for (__m256i& part : sum) part = _mm256_sra_epi32(part, shift);
    const __m256i result =
        _mm256_packus_epi16(_mm256_packs_epi32(sum[0], sum[1]), _mm256_packs_epi32(sum[2], sum[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), result);
}

AILAB_AVX2 void sum_rows_avx2(const uint8_t* rows, int64_t bytes, const int16_t* weights,
                              int32_t count, int precision, uint8_t* to) {
    for (int64_t i = 0; i + 32 <= bytes; i += 32)
        sum_32_bytes(rows, bytes, i, weights, count, precision, to);
    if (bytes % 32) sum_32_bytes(rows, bytes, bytes - 32, weights, count, precision, to);
}
#endif

}  // namespace

void resample_row(const uint8_t* from, int64_t channels, const ResampleWeights& weights,
                  uint8_t* to) {
    channels == 1 ? resample_row_of<1>(from, weights, to) : resample_row_of<3>(from, weights, to);
}

void resample_two_rows(const uint8_t* a, const uint8_t* b, int64_t channels,
                       const ResampleWeights& weights, uint8_t* to_a, uint8_t* to_b) {
#if defined(__x86_64__)
    if (channels == 3 && has_avx2()) return resample_two_rows_rgb(a, b, weights, to_a, to_b);
#endif
    resample_row(a, channels, weights, to_a);
    resample_row(b, channels, weights, to_b);
}

void sum_rows(const uint8_t* rows, int64_t bytes, const int16_t* weights, int32_t count,
              int precision, uint8_t* to) {
#if defined(__x86_64__)
    if (bytes >= 32 && has_avx2()) return sum_rows_avx2(rows, bytes, weights, count, precision, to);
#endif
    sum_bytes(rows, bytes, weights, count, precision, to);
}

}  // namespace ailab::image
