#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace ailab::tensorboard {

/// A PNG file (ISO/IEC 15948) of 8 bits a channel. pixels: [height, width, channels]; channels: 1
/// gray, 3 RGB, 4 RGBA. Throws Error for other sizes.
std::string encode_png(std::span<const uint8_t> pixels, int height, int width, int channels);

}  // namespace ailab::tensorboard
