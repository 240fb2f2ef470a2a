#include "ailab/image.hpp"

#include <ATen/ATen.h>
#include <utility>

#include "ailab/dataset.hpp"
#include "ailab/support/regular_file.hpp"
#include "image_cache.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {

Image::~Image() = default;
ImageDecoder::~ImageDecoder() = default;

namespace {

class ImageInMemory final : public Image {
  public:
    explicit ImageInMemory(at::Tensor pixels) : pixels_(std::move(pixels)) {
        if (pixels_.dim() != 3)
            throw Error(concat("an image is [C, H, W]; got ", pixels_.dim(), " dimensions"));
    }

    int64_t height() const override { return pixels_.size(1); }
    int64_t width() const override { return pixels_.size(2); }
    at::Tensor pixels() const override { return pixels_; }
    at::Tensor pixels(const Region& r) const override {
        return pixels_.narrow(1, r.top, r.height).narrow(2, r.left, r.width);
    }

  private:
    const at::Tensor pixels_;
};

EncodedImage read_image(const std::string& path) {
    const StageTimer timer(LoadStage::read);
    const RegularFile file(path);
    if (!file.problem().empty())
        throw BrokenSample(concat(path, " cannot be read: ", file.problem()));
    const size_t size = size_t(file.size());
    if (size == 0) throw BrokenSample(concat(path, " is empty"));
    auto bytes = std::make_shared<std::unique_ptr<uint8_t[]>>(new uint8_t[size]);
    try {
        // Cut while it was read: what is there is decoded.
        const uint64_t have = file.read(bytes->get(), size, 0);
        return {{bytes->get(), size_t(have)}, bytes, path};
    } catch (const Error& error) {
        throw BrokenSample(concat(path, " cannot be read: ", error.what()));
    }
}

struct Format {
    std::string name;
    std::shared_ptr<const ImageDecoder> decoder;
};

std::vector<Format> all_formats() {
    std::vector<Format> formats;
    PluginHost& host = PluginHost::instance();
    const std::string kind = kind_name<ImageDecoder>;
    for (const ModuleEntry& known : host.list(kind)) {
        std::string complaint;
        const auto entry = host.find(kind, known.name, complaint);
        if (!entry) throw Error(complaint);
        const auto options = entry->node->make_options();
        formats.push_back(
            {entry->name, std::static_pointer_cast<ImageDecoder>(entry->node->create(*options))});
    }
    return formats;
}

ImageMode mode_of(const std::string& color) {
    return color == "gray"        ? ImageMode::gray
           : color == "unchanged" ? ImageMode::unchanged
                                  : ImageMode::rgb;
}

}  // namespace

ImagePtr image_of(at::Tensor pixels) {
    return std::make_shared<ImageInMemory>(std::move(pixels));
}

void ImageReader::Options::visit(OptionVisitor& v) {
    v.option("color", color, "what pixels are turned into", one_of({"rgb", "gray", "unchanged"}));
    v.option("exif_orientation", exif_orientation, "turn the image as its EXIF data say");
    v.option("max_pixels", max_pixels, "larger images are broken", between(1, 65535.0 * 65535.0));
    v.option("cache_gb", cache_gb,
             "decoded images are kept in so much memory (GB) of each rank, or of the cache_file",
             between(0, 1e6));
    v.option("cache_file", cache_file,
             "a file that all ranks of a host, and later runs, keep decoded images in: on a local "
             "disk, or in /dev/shm");
    v.rule([this] {
        return !cache_file.empty() && cache_gb == 0
                   ? "cache_file is given and cache_gb is 0; say how large it may become"
                   : "";
    });
}

struct ImageReader::State {
    DecodeOptions options;
    std::vector<Format> formats;
    std::shared_ptr<ImageCache> cache;  // or none

    ImagePtr decode(EncodedImage encoded, bool tolerate_truncation) const;
    ImagePtr keep(EncodedImage encoded, bool tolerate_truncation, const ImageKey& key) const;
};

ImageReader::ImageReader(const Options& options) {
    auto state = std::make_shared<State>();
    state->options.mode = mode_of(options.color);
    state->options.exif_orientation = options.exif_orientation;
    state->options.max_pixels = options.max_pixels;
    state->formats = all_formats();
    if (options.cache_gb > 0) state->cache = ImageCache::open(options.cache_file, options.cache_gb);
    state_ = std::move(state);
}

ImageReader::ImageReader(ImageMode mode)
    : ImageReader([mode] {
          Options options;
          if (mode == ImageMode::gray) options.color = "gray";
          if (mode == ImageMode::unchanged) options.color = "unchanged";
          return options;
      }()) {}

ImagePtr ImageReader::open(const std::string& path, const SampleContext& context) const {
    if (!state_->cache) return open(read_image(path), context);
    const ImageKey key = image_key(path, state_->options);
    at::Tensor pixels = state_->cache->find(key);
    // A run with another max_pixels may have kept it: decoding says that it is too large.
    if (pixels.defined() && pixels.size(1) * pixels.size(2) <= state_->options.max_pixels)
        return image_of(std::move(pixels));
    return state_->keep(read_image(path), context.tolerant, key);
}

ImagePtr ImageReader::open(EncodedImage encoded, const SampleContext& context) const {
    return state_->decode(std::move(encoded), context.tolerant);
}

/// An image that goes to the cache, unless it is damaged.
ImagePtr ImageReader::State::keep(EncodedImage encoded, bool tolerate_truncation,
                                  const ImageKey& key) const {
    ImagePtr image = decode(encoded, tolerate_truncation);
    ImagePtr strict = image;
    if (tolerate_truncation) {
        try {
            strict = decode(std::move(encoded), false);
        } catch (const BrokenSample&) {
            return image;
        }
    }
    return image_to_keep(std::move(image), std::move(strict), key, cache);
}

ImagePtr ImageReader::State::decode(EncodedImage encoded, bool tolerate_truncation) const {
    const StageTimer timer(LoadStage::decode);
    constexpr size_t head_size = 32;
    const auto head = encoded.bytes.first(std::min(encoded.bytes.size(), head_size));
    DecodeOptions wanted = options;
    wanted.tolerate_truncation = tolerate_truncation;
    std::vector<std::string> names;
    for (const Format& format : formats) {
        if (format.decoder->recognises(head))
            return format.decoder->open(std::move(encoded), wanted);
        names.push_back(format.name);
    }
    throw BrokenSample(concat(encoded.name, " is no image of a known format; there are: ",
                              names.empty() ? "none" : join(names)));
}

}  // namespace ailab
