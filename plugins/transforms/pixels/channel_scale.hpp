#pragma once
#include <array>
#include <vector>

#include "pixels.hpp"

namespace ailab::image {

/// (value - mean) / std by channel, each operation rounded to float32 in this order; of bytes
/// (byte / 255 - mean) / std: torchvision's ToTensor and Normalize to the last bit. Thread-safe.
class ChannelScale {
  public:
    /// One mean and std a channel.
    ChannelScale(const std::vector<double>& mean, const std::vector<double>& std);

    int64_t channels() const { return int64_t(mean_.size()); }
    /// Writes the scaled image, uint8 or float32, to `out`: float32 [C, H, W], any strides.
    void write(const Tensor& image, Tensor& out) const;
    /// The same, in new memory.
    Tensor operator()(const Tensor& image) const;

  private:
    /// Values a step of the loop for whole pixels: a multiple of 1, 2, 3 and 4 channels and of the
    /// vector's width.
    static constexpr int64_t block = 24;
    using Block = std::array<float, block>;

    void write_rows(const uint8_t* from, int64_t count, float* to) const;
    void write_rows(const float* from, int64_t count, float* to) const;
    void write_planes(const uint8_t* from, int64_t pixels, Tensor& out) const;
    void write_by_arithmetic(const uint8_t* from, int64_t blocks, float* to) const;

    std::vector<float> mean_, std_;
    Block block_mean_{}, block_std_{};  // by value of a block
    std::vector<std::array<float, 256>> tables_;
    bool by_arithmetic_ = false;  // gives the tables' numbers too, and is faster here
};

}  // namespace ailab::image
