#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace ailab {

/// Bytes to floats: (byte / 255 - mean) / std, each operation rounded to float32 in this order, so
/// that the numbers are torchvision's (ToTensor, Normalize) to the last bit. Thread-safe.
class PixelScale {
  public:
    PixelScale(double mean, double std);

    void apply(const uint8_t* from, int64_t count, float* to) const;

  private:
    std::array<float, 256> table_{};
    float mean_;
    float std_;
    bool by_arithmetic_ = false;  // gives the table's numbers too, and is faster here
};

}  // namespace ailab
