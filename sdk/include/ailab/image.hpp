#pragma once
// Images of samples. An image stays encoded until somebody asks for its pixels, so that a transform
// that crops has only that region decoded.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ailab/geometry.hpp"
#include "ailab/options.hpp"
#include "ailab/registry.hpp"

namespace ailab {

struct SampleContext;

/// An image of a sample, encoded or in memory. Immutable; all calls are thread-safe.
class AILAB_API Image {
  public:
    virtual ~Image();

    /// As the pixels will be: after the orientation that the file asks for.
    virtual int64_t height() const = 0;
    virtual int64_t width() const = 0;

    /// [C, H, W] with the memory order H, W, C (`channels_last`), uint8, or int32 (at::kInt)
    /// where the mode is `unchanged` and the file has 16 bits. May be memory that others share:
    /// clone before you write. Throws BrokenSample.
    virtual at::Tensor pixels() const = 0;
    /// The same for a part: what pixels() would give there, bit for bit. The region must lie in the
    /// image.
    virtual at::Tensor pixels(const Region& region) const = 0;
};

using ImagePtr = std::shared_ptr<const Image>;

/// An image that is in memory already: `pixels` [C, H, W], any strides.
AILAB_API ImagePtr image_of(at::Tensor pixels);

/// What an image's pixels are turned into.
enum class ImageMode {
    rgb,        // 3 channels: grey is repeated, alpha dropped, as Pillow's convert("RGB")
    gray,       // 1 channel, as Pillow's convert("L")
    unchanged,  // the file's own channels; a palette's indices, which is what masks are
};

/// The bytes of an image file.
struct EncodedImage {
    std::span<const uint8_t> bytes;
    /// Keeps `bytes` alive.
    std::shared_ptr<const void> owner;
    /// The file's path, or what else it is known by: for messages.
    std::string name;
};

struct DecodeOptions {
    ImageMode mode = ImageMode::rgb;
    /// A cut file is decoded as far as it goes, and report_damage() told; else it is BrokenSample.
    bool tolerate_truncation = false;
    /// Larger images are refused before they are decoded.
    int64_t max_pixels = 178'956'970;
    bool exif_orientation = true;
};

/// A file format. Registered with AILAB_REGISTER_IMAGE_DECODER under the format's name ("jpeg").
/// Constructed once; all calls are thread-safe.
class AILAB_API ImageDecoder {
  public:
    virtual ~ImageDecoder();
    /// Whether a file that begins with these bytes (up to 32) is of this format.
    virtual bool recognises(std::span<const uint8_t> head) const = 0;
    /// Reads the header. Throws BrokenSample, naming the file, when that cannot be read or the
    /// image is larger than options.max_pixels.
    virtual ImagePtr open(EncodedImage encoded, const DecodeOptions& options) const = 0;
};

/// Reads images of every format that a plugin decodes. Made on the main thread, as members of a
/// dataset are; open() is thread-safe.
class AILAB_API ImageReader {
  public:
    /// Options that each dataset of images takes: visit() them from the dataset's own.
    struct AILAB_API Options {
        std::string color = "rgb";
        bool exif_orientation = true;
        int64_t max_pixels = DecodeOptions().max_pixels;
        double cache_gb = 0;
        std::string cache_file;

        void visit(OptionVisitor& v);
    };

    ImageReader() : ImageReader(Options()) {}
    explicit ImageReader(const Options& options);
    explicit ImageReader(ImageMode mode);

    /// Throws BrokenSample when the file is missing, a directory, empty or of no known format.
    ImagePtr open(const std::string& path, const SampleContext& context) const;
    /// The same for bytes in memory, for example of an archive.
    ImagePtr open(EncodedImage encoded, const SampleContext& context) const;

  private:
    struct State;
    std::shared_ptr<const State> state_;
};

/// A PNG file of `pixels`: uint8 [C, H, W], C being 1 (gray), 3 (RGB) or 4 (RGBA). Throws Error for
/// anything else.
AILAB_API std::string encode_png(const at::Tensor& pixels);

}  // namespace ailab
