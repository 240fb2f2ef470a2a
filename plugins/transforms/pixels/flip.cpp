#include "flip.hpp"

#include <ATen/ATen.h>

#include <cstring>

#include "vectorised.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ailab::image {
namespace {

/// `width` pixels of three bytes.
void mirror_rgb(const uint8_t* from, int64_t width, uint8_t* to) {
    for (int64_t x = 0; x < width; ++x) std::memcpy(to + x * 3, from + (width - 1 - x) * 3, 3);
}

#if defined(__x86_64__)
/// Five pixels at a time: 16 bytes are read, and the one too many before them is left out.
AILAB_AVX2 void mirror_rgb_avx2(const uint8_t* from, int64_t width, uint8_t* to) {
    const __m128i order = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
    int64_t x = 0;
    // The 16th byte that is written is the next pixel's; the 16th that is read, the one before.
    for (; x + 6 <= width; x += 5) {
        const __m128i pixels =
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + (width - 5 - x) * 3 - 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + x * 3), _mm_shuffle_epi8(pixels, order));
    }
    mirror_rgb(from, width - x, to + x * 3);
}
#endif

Tensor flip_rgb_bytes(const Tensor& image) {
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    const int64_t height = rows.size(0), width = rows.size(1);
    auto mirror = mirror_rgb;
#if defined(__x86_64__)
    if (has_avx2()) mirror = mirror_rgb_avx2;
#endif
    const auto* from = rows.const_data_ptr<uint8_t>();
    auto* to = result.mutable_data_ptr<uint8_t>();
    for (int64_t y = 0; y < height; ++y) mirror(from + y * width * 3, width, to + y * width * 3);
    return result;
}

}  // namespace

Tensor flip_horizontally(const Tensor& pixels) {
    if (pixels.dim() == 3 && pixels.size(0) == 3 && pixels.scalar_type() == at::kByte)
        return flip_rgb_bytes(pixels);
    return pixels.flip(-1);
}

Tensor flip_vertically(const Tensor& pixels) {
    return pixels.flip(-2);
}

}  // namespace ailab::image
