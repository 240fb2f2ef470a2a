#pragma once
#include <ATen/ATen.h>

#include "plugins/make_module.hpp"

namespace ailab::test {

/// uint8 [C, H, W] with the memory order H, W, C; every pixel another.
inline Tensor some_image(int64_t channels, int64_t height, int64_t width) {
    const Tensor values = at::arange(height * width * channels, at::kLong).mul(7).remainder(251);
    return values.to(at::kByte).view({height, width, channels}).permute({2, 0, 1});
}

/// An image that says of each pixel where it was: row in channel 0, column in channel 1; and a mask
/// [H, W] of row * 1000 + column.
inline Sample mapped_sample(int64_t height, int64_t width) {
    const Tensor rows = at::arange(height, at::kLong).view({height, 1}).expand({height, width});
    const Tensor columns = at::arange(width, at::kLong).view({1, width}).expand({height, width});
    Sample sample;
    sample.set(
        "image",
        at::stack({rows, columns, at::zeros_like(rows)}, -1).to(at::kByte).permute({2, 0, 1}));
    sample.set("mask", (rows * 1000 + columns).contiguous());
    return sample;
}

/// An image that remembers what was asked of it.
class WatchedImage final : public Image {
  public:
    explicit WatchedImage(Tensor pixels) : pixels_(std::move(pixels)) {}

    int64_t height() const override { return pixels_.size(1); }
    int64_t width() const override { return pixels_.size(2); }
    Tensor pixels() const override {
        ++whole;
        return pixels_;
    }
    Tensor pixels(const Region& r) const override {
        regions.push_back(r);
        return pixels_.narrow(1, r.top, r.height).narrow(2, r.left, r.width);
    }

    mutable int whole = 0;
    mutable std::vector<Region> regions;

  private:
    const Tensor pixels_;
};

inline Sample sample_of(Tensor image) {
    return Sample(std::move(image), at::scalar_tensor(3, at::kLong));
}

inline Tensor apply(const std::string& json, Sample sample, Philox random = Philox(1)) {
    make<Transform>(json)->apply(sample, random);
    return sample.tensor(sample.has("image") ? "image" : "input");
}

}  // namespace ailab::test
