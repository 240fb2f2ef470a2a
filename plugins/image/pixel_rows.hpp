#pragma once
// Conversions of rows of pixels, bit for bit those of Pillow.
#include <cstddef>
#include <cstdint>

namespace ailab {

/// ITU-R 601-2 luma in 16-bit fixed point, rounded. `out` may be `rgb`.
inline void gray_of_rgb(const uint8_t* rgb, uint8_t* out, size_t pixels) {
    for (size_t i = 0; i < pixels; ++i) {
        const uint8_t* p = rgb + 3 * i;
        out[i] = uint8_t((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    }
}

/// Ink (0: none) to light, without a colour profile. `out` may be `cmyk`.
inline void rgb_of_cmyk(const uint8_t* cmyk, uint8_t* out, size_t pixels) {
    for (size_t i = 0; i < pixels; ++i) {
        const uint8_t* p = cmyk + 4 * i;
        const uint32_t light = 255u - p[3];
        for (size_t c = 0; c < 3; ++c) {
            const uint32_t ink = p[c] * light + 128;  // and divided by 255, rounded
            out[3 * i + c] = uint8_t(light - ((ink + (ink >> 8)) >> 8));
        }
    }
}

}  // namespace ailab
