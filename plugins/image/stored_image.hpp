#pragma once
// What the images of all file formats have in common.
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <utility>

#include "ailab/image.hpp"
#include "orientation.hpp"

namespace ailab {

/// An image as a file holds it: size and place are the file's own, before EXIF orientation.
class StoredImage : public Image {
  public:
    int64_t height() const final {
        return is_transposed(orientation_) ? stored_width_ : stored_height_;
    }
    int64_t width() const final {
        return is_transposed(orientation_) ? stored_height_ : stored_width_;
    }
    at::Tensor pixels() const final;
    at::Tensor pixels(const Region& region) const final;

  protected:
    StoredImage(EncodedImage encoded, const DecodeOptions& options)
        : encoded_(std::move(encoded)), options_(options) {}

    /// Called by the constructors. Throws BrokenSample when there are no pixels or too many.
    void set_size(int64_t height, int64_t width, Orientation orientation);

    /// The pixels of a part of the file's own image: [height, width, channels], contiguous.
    virtual at::Tensor decode(const Region& stored) const = 0;

    /// The same, from the whole image.
    at::Tensor decode_whole_and_cut(const Region& stored) const;
    bool is_whole(const Region& stored) const {
        return stored.height == stored_height_ && stored.width == stored_width_;
    }

    /// Tells of a file that is decoded as far as it goes; throws BrokenSample where that is not
    /// wanted.
    void report_damaged(const std::string& what) const;
    /// Throws BrokenSample.
    [[noreturn]] void refuse(const std::string& why) const;

    /// The value of pixels that a damaged file does not have: grey, or the first index of a
    /// palette, which masks have as background.
    uint8_t missing() const { return options_.mode == ImageMode::unchanged ? 0 : 128; }

    std::span<const uint8_t> bytes() const { return encoded_.bytes; }
    const DecodeOptions& options() const { return options_; }
    int64_t stored_height() const { return stored_height_; }
    int64_t stored_width() const { return stored_width_; }

  private:
    const EncodedImage encoded_;
    const DecodeOptions options_;
    int64_t stored_height_ = 0;
    int64_t stored_width_ = 0;
    Orientation orientation_ = Orientation::upright;
};

}  // namespace ailab
