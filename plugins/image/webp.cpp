// WebP (RFC 9649), lossy and lossless. Of an animation the first image, if it covers the canvas.
#include <ATen/ATen.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "ailab/error.hpp"
#include "ailab/loading.hpp"
#include "pixel_rows.hpp"
#include "stored_image.hpp"

namespace ailab {

namespace {

template <auto function>
struct Delete {
    template <class T>
    void operator()(T* object) const {
        function(object);
    }
};

const char* reason(VP8StatusCode status) {
    switch (status) {
        case VP8_STATUS_OUT_OF_MEMORY:
            return "out of memory";
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            return "it uses a feature that libwebp does not know";
        case VP8_STATUS_SUSPENDED:
        case VP8_STATUS_NOT_ENOUGH_DATA:
            return "it ends early";
        default:
            return "its data are wrong";
    }
}

class WebpImage final : public StoredImage {
  public:
    WebpImage(EncodedImage encoded, const DecodeOptions& options)
        : StoredImage(std::move(encoded), options) {
        WebPBitstreamFeatures features;
        const VP8StatusCode status = WebPGetFeatures(bytes().data(), bytes().size(), &features);
        if (status != VP8_STATUS_OK) refuse(reason(status));
        has_alpha_ = features.has_alpha != 0;
        image_ = bytes();
        is_cut_ = bytes().size() < container_size();
        read_chunks(features);
    }

  protected:
    at::Tensor decode(const Region& region) const override;

  private:
    void read_chunks(const WebPBitstreamFeatures& features);
    size_t container_size() const {
        constexpr size_t head = 8;  // "RIFF" and the size of the rest
        size_t size = 0;
        for (size_t i = head; bytes().size() > head && i-- > 4;) size = size << 8 | bytes()[i];
        return head + size;
    }
    int64_t channels() const {
        return has_alpha_ && options().mode == ImageMode::unchanged ? 4 : 3;
    }
    /// libwebp's own cropping: at least `region`, written to `pixels`.
    WebPDecoderConfig config_of(const Region& region, at::Tensor& pixels) const;
    void decode_what_is_there(at::Tensor& pixels) const;

    bool has_alpha_ = false;
    bool is_cut_ = false;             // by what the container says of its size
    std::span<const uint8_t> image_;  // the part of the file that is decoded
};

/// What is not in the image's own bit stream.
void WebpImage::read_chunks(const WebPBitstreamFeatures& features) {
    const WebPData data = {bytes().data(), bytes().size()};
    WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
    const std::unique_ptr<WebPDemuxer, Delete<WebPDemuxDelete>> demuxer(
        WebPDemuxPartial(&data, &state));
    std::optional<Orientation> orientation;
    WebPChunkIterator chunk;
    if (demuxer && WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk)) {
        orientation = exif_orientation({chunk.chunk.bytes, chunk.chunk.size});
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    if (!orientation && demuxer && WebPDemuxGetChunk(demuxer.get(), "XMP ", 1, &chunk)) {
        orientation =
            xmp_orientation({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    set_size(features.height, features.width, orientation.value_or(Orientation::upright));
    if (!features.has_animation) return;
    WebPIterator frame;
    if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame)) refuse("it ends early");
    image_ = {frame.fragment.bytes, frame.fragment.size};
    const bool covers = frame.width == features.width && frame.height == features.height;
    WebPDemuxReleaseIterator(&frame);
    if (!covers) refuse("it is an animation whose first image does not cover the canvas");
}

WebPDecoderConfig WebpImage::config_of(const Region& region, at::Tensor& pixels) const {
    WebPDecoderConfig config;
    WebPInitDecoderConfig(&config);
    config.options.use_cropping = 1;
    config.options.crop_left = int(region.left);
    config.options.crop_top = int(region.top);
    config.options.crop_width = int(region.width);
    config.options.crop_height = int(region.height);
    config.output.colorspace = channels() == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = {pixels.mutable_data_ptr<uint8_t>(), int(pixels.stride(0)),
                            size_t(pixels.numel())};
    return config;
}

/// libwebp takes the border of what it decodes for the border of the image when it interpolates
/// chroma, and wants even corners: hence up to three pixels more on each side.
Region widened(const Region& region, int64_t height, int64_t width) {
    const auto before = [](int64_t start) { return std::max<int64_t>(start - 2, 0) / 2 * 2; };
    const int64_t top = before(region.top), left = before(region.left);
    return {top, left, std::min(region.top + region.height + 2, height) - top,
            std::min(region.left + region.width + 2, width) - left};
}

at::Tensor WebpImage::decode(const Region& region) const {
    // The end of a cut file may stand in no row of the region, and yet the whole lacks it.
    if (is_cut_ && !is_whole(region)) return decode_whole_and_cut(region);
    const Region wide = widened(region, stored_height(), stored_width());
    at::Tensor pixels = at::empty({wide.height, wide.width, channels()}, at::kByte);
    WebPDecoderConfig config = config_of(wide, pixels);
    const VP8StatusCode status = WebPDecode(image_.data(), image_.size(), &config);
    if (status != VP8_STATUS_OK) {
        if (!is_whole(region)) return decode_whole_and_cut(region);
        if (options().tolerate_truncation) decode_what_is_there(pixels);
        report_damaged(reason(status));
    } else if (is_cut_) {
        report_damaged("it ends early");
    }
    pixels = pixels.narrow(0, region.top - wide.top, region.height)
                 .narrow(1, region.left - wide.left, region.width)
                 .contiguous();
    if (options().mode != ImageMode::gray) return pixels;
    at::Tensor gray = at::empty({region.height, region.width, 1}, at::kByte);
    gray_of_rgb(pixels.const_data_ptr<uint8_t>(), gray.mutable_data_ptr<uint8_t>(),
                size_t(gray.numel()));
    return gray;
}

/// The whole image, row by row.
void WebpImage::decode_what_is_there(at::Tensor& pixels) const {
    pixels.fill_(missing());
    WebPDecoderConfig config = config_of({0, 0, stored_height(), stored_width()}, pixels);
    const std::unique_ptr<WebPIDecoder, Delete<WebPIDelete>> decoder(
        WebPIDecode(nullptr, 0, &config));
    if (!decoder) refuse("out of memory");
    const VP8StatusCode status = WebPIUpdate(decoder.get(), image_.data(), image_.size());
    int rows = 0;
    WebPIDecGetRGB(decoder.get(), &rows, nullptr, nullptr, nullptr);
    if (rows == 0) refuse(reason(status));
}

class WebpDecoder final : public ImageDecoder {
  public:
    bool recognises(std::span<const uint8_t> head) const override {
        const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
        return text.size() >= 12 && text.substr(0, 4) == "RIFF" && text.substr(8, 4) == "WEBP";
    }
    ImagePtr open(EncodedImage encoded, const DecodeOptions& options) const override {
        return std::make_shared<WebpImage>(std::move(encoded), options);
    }
};

}  // namespace

AILAB_REGISTER_IMAGE_DECODER(WebpDecoder, "webp", "WebP files, by libwebp")

}  // namespace ailab
