// PNG (ISO/IEC 15948): every bit depth, colour type and order of rows. Of an animation the first
// image.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/loading.hpp"
#include "pixel_rows.hpp"
#include "png_file.hpp"
#include "stored_image.hpp"

namespace ailab {

namespace {

class PngImage final : public StoredImage {
  public:
    PngImage(EncodedImage encoded, const DecodeOptions& options)
        : StoredImage(std::move(encoded), options) {
        PngFile file(bytes());
        if (!file.read_header()) refuse(file.error());
        const PngFile::Header header = file.header();
        const auto exif = exif_orientation(file.exif());
        set_size(header.height, header.width, exif ? *exif : xmp_orientation(file.xmp()));
        // Before memory is taken for a header that promises more than the file can hold.
        constexpr size_t most_bytes_of_one = 1032;  // of deflate
        if (!options.tolerate_truncation &&
            header.bytes_a_row * size_t(header.height) / most_bytes_of_one > bytes().size())
            report_damaged("it ends long before its last pixels");
    }

  protected:
    at::Tensor decode(const Region& region) const override;

  private:
    at::Tensor decode_rows(PngFile& file, const Region& region) const;
    at::Tensor decode_passes(PngFile& file, const Region& region) const;
    at::Tensor blank(const PngFile& file, const Region& region) const;
    /// From a row of the file to that of the region.
    void put_row(const PngFile& file, const uint8_t* row, const Region& region, at::Tensor& out,
                 int64_t y) const;
};

/// 16 bits are given as int32: LibTorch has few operations for uint16.
at::Tensor PngImage::blank(const PngFile& file, const Region& region) const {
    const bool has_16_bits = file.header().bit_depth == 16;
    const int64_t channels = options().mode == ImageMode::gray ? 1 : file.channels();
    return at::empty({region.height, region.width, channels}, has_16_bits ? at::kInt : at::kByte);
}

void PngImage::put_row(const PngFile& file, const uint8_t* row, const Region& region,
                       at::Tensor& out, int64_t y) const {
    const auto pixels = size_t(region.width);
    const auto pixel_size = file.row_size() / size_t(stored_width());
    const uint8_t* from = row + size_t(region.left) * pixel_size;
    const int64_t numbers = out.stride(0);
    if (out.scalar_type() == at::kInt) {
        int32_t* to = out.mutable_data_ptr<int32_t>() + y * numbers;
        for (int64_t i = 0; i < numbers; ++i) {
            uint16_t number = 0;
            std::memcpy(&number, from + 2 * i, sizeof number);
            to[i] = number;
        }
        return;
    }
    uint8_t* to = out.mutable_data_ptr<uint8_t>() + y * numbers;
    if (options().mode == ImageMode::gray && file.channels() == 3)
        gray_of_rgb(from, to, pixels);
    else
        std::copy(from, from + numbers, to);
}

at::Tensor PngImage::decode(const Region& region) const {
    PngFile file(bytes());
    if (!file.read_header() || !file.start(options().mode)) refuse(file.error());
    return file.header().interlaced ? decode_passes(file, region) : decode_rows(file, region);
}

/// Up to the last row of the region.
at::Tensor PngImage::decode_rows(PngFile& file, const Region& region) const {
    at::Tensor out = blank(file, region);
    const int64_t bottom = region.top + region.height;
    std::vector<uint8_t> row(file.row_size());
    int64_t y = 0;
    for (; y < bottom && file.read_row(row.data()); ++y)
        if (y >= region.top) put_row(file, row.data(), region, out, y - region.top);
    if (y == 0) refuse(file.error());
    if (y < bottom) {
        const int64_t first = std::max<int64_t>(y - region.top, 0);
        out.narrow(0, first, region.height - first).fill_(missing());
    }
    if (y < bottom || (bottom == stored_height() && !file.finish())) report_damaged(file.error());
    return out;
}

/// All passes of the whole image.
at::Tensor PngImage::decode_passes(PngFile& file, const Region& region) const {
    const size_t row_size = file.row_size();
    std::vector<uint8_t> image(row_size * size_t(stored_height()), missing());
    bool goes_on = true;
    bool has_any = false;
    for (int pass = 0; pass < file.passes(); ++pass)
        for (int64_t y = 0; y < stored_height() && goes_on; ++y) {
            goes_on = file.read_row(image.data() + row_size * size_t(y));
            has_any = has_any || goes_on;
        }
    if (!has_any) refuse(file.error());
    if (!goes_on || !file.finish()) report_damaged(file.error());
    at::Tensor out = blank(file, region);
    for (int64_t y = 0; y < region.height; ++y)
        put_row(file, image.data() + row_size * size_t(region.top + y), region, out, y);
    return out;
}

class PngDecoder final : public ImageDecoder {
  public:
    bool recognises(std::span<const uint8_t> head) const override {
        constexpr uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
        return head.size() >= sizeof signature &&
               std::equal(std::begin(signature), std::end(signature), head.begin());
    }
    ImagePtr open(EncodedImage encoded, const DecodeOptions& options) const override {
        return std::make_shared<PngImage>(std::move(encoded), options);
    }
};

}  // namespace

AILAB_REGISTER_IMAGE_DECODER(PngDecoder, "png", "PNG files, by libpng")

}  // namespace ailab
