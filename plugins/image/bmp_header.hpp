#pragma once
// The header of a Windows or OS/2 bitmap.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ailab {

struct BmpHeader {
    int64_t height = 0;
    int64_t width = 0;
    bool top_down = false;
    int bits = 0;  // a pixel
    bool run_lengths = false;
    /// Of 16, 24 and 32 bits: where red, green, blue and alpha are. Alpha may be 0: there is none.
    std::array<uint32_t, 4> masks{};
    /// Of 1, 4 and 8 bits. Black where the file has no entry.
    std::array<std::array<uint8_t, 3>, 256> palette{};
    size_t pixels_at = 0;  // in the file

    bool has_palette() const { return bits <= 8; }
    /// Uncompressed.
    size_t row_size() const { return (size_t(width) * size_t(bits) + 31) / 32 * 4; }
};

/// What is wrong with the header, or "".
std::string read_bmp_header(std::span<const uint8_t> file, BmpHeader& header);

}  // namespace ailab
