// JPEG: what libjpeg-turbo decodes, which is baseline and progressive files of 8 bits, Huffman or
// arithmetic coding, grey, colour and CMYK.
#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/loading.hpp"
#include "jpeg_file.hpp"
#include "pixel_rows.hpp"
#include "stored_image.hpp"

namespace ailab {

namespace {

class JpegImage final : public StoredImage {
  public:
    JpegImage(EncodedImage encoded, const DecodeOptions& options)
        : StoredImage(std::move(encoded), options) {
        JpegFile file(bytes());
        if (!file.read_header(options.exif_orientation)) refuse(file.error());
        components_ = file.info().num_components;
        if (components_ != 1 && components_ != 3 && components_ != 4)
            refuse(concat("it has ", components_, " components; 1, 3 and 4 are supported"));
        const auto exif = exif_orientation(file.exif());
        set_size(file.info().image_height, file.info().image_width,
                 exif ? *exif : xmp_orientation(file.xmp()));
        check_length(file.info());
    }

  protected:
    at::Tensor decode(const Region& region) const override;

  private:
    bool read_rows(JpegFile& file, const Region& region, at::Tensor& pixels) const;

    /// Before memory is taken for a header that promises more than the file can hold: Huffman codes
    /// take a bit or more for each block of 8 x 8 pixels.
    void check_length(const jpeg_decompress_struct& info) const {
        constexpr int64_t most_pixels_a_byte = 8 * 64;
        if (!options().tolerate_truncation && !info.arith_code &&
            stored_height() * stored_width() / most_pixels_a_byte > int64_t(bytes().size()))
            report_damaged("it ends long before its last pixels");
    }

    J_COLOR_SPACE color() const {
        if (components_ == 4) return JCS_CMYK;
        return components_ == 1 && options().mode != ImageMode::rgb ? JCS_GRAYSCALE : JCS_RGB;
    }
    int64_t channels() const {
        switch (options().mode) {
            case ImageMode::rgb:
                return 3;
            case ImageMode::gray:
                return 1;
            case ImageMode::unchanged:
                return components_;
        }
        return 0;
    }
    /// Whether libjpeg's rows are not the mode's yet.
    bool converts() const {
        return components_ == 4 || (components_ == 3 && options().mode == ImageMode::gray);
    }
    void convert(uint8_t* row, size_t pixels) const;

    int components_ = 0;
};

/// In place, from color() to the mode.
void JpegImage::convert(uint8_t* row, size_t pixels) const {
    // Pillow takes each file of 4 components for one of Adobe's, which are inverted.
    if (components_ == 4)
        for (size_t i = 0; i < 4 * pixels; ++i) row[i] = uint8_t(255 - row[i]);
    if (options().mode == ImageMode::unchanged) return;
    if (components_ == 4) rgb_of_cmyk(row, row, pixels);
    if (options().mode == ImageMode::gray) gray_of_rgb(row, row, pixels);
}

at::Tensor JpegImage::decode(const Region& region) const {
    JpegFile file(bytes());
    const bool has_started = file.read_header(false) && file.start(color(), region);
    if (!has_started && is_whole(region)) refuse(file.error());
    at::Tensor pixels = at::empty({region.height, region.width, channels()}, at::kByte);
    const bool is_complete = has_started && read_rows(file, region, pixels);
    if (is_complete && file.damage().empty()) return pixels;
    // Only from its beginning is a damaged file decoded as libjpeg would.
    if (!is_whole(region)) return decode_whole_and_cut(region);
    report_damaged(is_complete ? file.damage() : file.error());
    return pixels;
}

/// False when not all rows were there, or not the end of the file after the last one.
bool JpegImage::read_rows(JpegFile& file, const Region& region, at::Tensor& pixels) const {
    const auto row_size = size_t(pixels.stride(0));
    uint8_t* const begin = pixels.mutable_data_ptr<uint8_t>();
    uint8_t* const end = begin + pixels.numel();
    const JpegFile::Columns columns = file.columns();
    const bool is_direct = columns.width == region.width && !converts();
    const auto pixel_size = size_t(file.info().output_components);
    std::vector<uint8_t> row(is_direct ? 0 : size_t(columns.width) * pixel_size);
    uint8_t* const cut = row.data() + size_t(region.left - columns.left) * pixel_size;
    uint8_t* out = begin;
    for (; out != end && file.read_row(is_direct ? out : row.data()); out += row_size) {
        if (is_direct) continue;
        if (converts()) convert(cut, size_t(region.width));
        std::copy(cut, cut + row_size, out);
    }
    if (out == begin && is_whole(region)) refuse(file.error());
    std::fill(out, end, missing());
    return out == end && (region.top + region.height < stored_height() || file.finish());
}

class JpegDecoder final : public ImageDecoder {
  public:
    bool recognises(std::span<const uint8_t> head) const override {
        return head.size() >= 3 && head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF;
    }
    ImagePtr open(EncodedImage encoded, const DecodeOptions& options) const override {
        return std::make_shared<JpegImage>(std::move(encoded), options);
    }
};

}  // namespace

AILAB_REGISTER_IMAGE_DECODER(JpegDecoder, "jpeg", "JPEG files, by libjpeg-turbo")

}  // namespace ailab
