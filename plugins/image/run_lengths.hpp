#pragma once
// The run-length encodings RLE8 and RLE4 of Windows bitmaps.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ailab {

/// Palette indices of 8 or 4 bits, in the order of the file (the bottom row first), into `out`,
/// which holds 0 for pixels that the data leave out. False when the data end before they say so.
bool expand_run_lengths(std::span<const uint8_t> data, int bits, size_t width,
                        std::vector<uint8_t>& out);

}  // namespace ailab
