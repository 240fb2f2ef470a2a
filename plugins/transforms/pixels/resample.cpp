#include "resample.hpp"

#include <ATen/ATen.h>

#include <cstring>

#include "resample_loops.hpp"

namespace ailab::image {
namespace {

/// Rows that a source of rows H, W, C is made to, one after another.
class RowResampler {
  public:
    RowResampler(const Tensor& image, int64_t width, Interpolation interpolation, bool antialias)
        : channels_(image.size(0)), width_(image.size(2)), height_(image.size(1)) {
        const bool in_order = image.stride(0) == 1 && image.stride(2) == channels_;
        // A crop's rows lie apart; all that is needed is that each is contiguous.
        source_ = in_order ? image : image_of_rows(rows_of(image));
        stride_ = source_.stride(1);
        from_ = source_.const_data_ptr<uint8_t>();
        if (width != width_) weights_ = resample_weights(width_, width, interpolation, antialias);
    }

    /// Makes rows `row` and, if there is one, `row + 1`. Returns how many.
    int64_t make_two(int64_t row, uint8_t* to, int64_t bytes) const {
        const bool two = row + 1 < height_;
        const uint8_t* a = from_ + row * stride_;
        const uint8_t* b = a + stride_;
        if (weights_.first.empty()) {
            std::memcpy(to, a, size_t(bytes));
            if (two) std::memcpy(to + bytes, b, size_t(bytes));
        } else if (two && may_read_beyond(row + 1)) {
            resample_two_rows(a, b, channels_, weights_, to, to + bytes);
        } else {
            resample_row(a, channels_, weights_, to);
            if (two) resample_row(b, channels_, weights_, to + bytes);
        }
        return two ? 2 : 1;
    }

  private:
    /// Enough memory follows the row.
    bool may_read_beyond(int64_t row) const {
        return (height_ - 1 - row) * stride_ >= read_beyond(weights_);
    }

    const int64_t channels_, width_, height_;
    Tensor source_;
    int64_t stride_ = 0;
    const uint8_t* from_ = nullptr;
    ResampleWeights weights_;
};

}  // namespace

Tensor resample_bytes(const Tensor& image, int64_t height, int64_t width,
                      Interpolation interpolation, bool antialias) {
    const int64_t channels = image.size(0), old_height = image.size(1);
    const RowResampler rows(image, width, interpolation, antialias);
    Tensor result = new_image(channels, height, width, at::kByte);
    auto* to = result.mutable_data_ptr<uint8_t>();
    const int64_t bytes = width * channels;
    if (height == old_height) {
        for (int64_t y = 0; y < height;) y += rows.make_two(y, to + y * bytes, bytes);
        return result;
    }
    const ResampleWeights weights = resample_weights(old_height, height, interpolation, antialias);
    const Tensor memory = at::empty({old_height * bytes}, at::kByte);
    auto* wide = memory.mutable_data_ptr<uint8_t>();
    int64_t made = 0;
    for (int64_t y = 0; y < height; ++y) {
        const int64_t first = weights.first[size_t(y)];
        const int32_t count = weights.count[size_t(y)];
        while (made < first + count) made += rows.make_two(made, wide + made * bytes, bytes);
        sum_rows(wide + first * bytes, bytes, weights.weights.data() + y * weights.stride, count,
                 weights.precision, to + y * bytes);
    }
    return result;
}

}  // namespace ailab::image
