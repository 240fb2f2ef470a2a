// BMP: Windows and OS/2 bitmaps, also run-length encoded.
#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/loading.hpp"
#include "bmp_header.hpp"
#include "pixel_rows.hpp"
#include "run_lengths.hpp"
#include "stored_image.hpp"

namespace ailab {

namespace {

class BmpImage final : public StoredImage {
  public:
    BmpImage(EncodedImage encoded, const DecodeOptions& options)
        : StoredImage(std::move(encoded), options) {
        if (const std::string problem = read_bmp_header(bytes(), header_); !problem.empty())
            refuse(problem);
        set_size(header_.height, header_.width, Orientation::upright);
        if (header_.pixels_at >= bytes().size()) refuse("it ends before its pixels");
    }

  protected:
    at::Tensor decode(const Region& region) const override;

  private:
    int64_t channels() const {
        if (options().mode == ImageMode::gray) return 1;
        if (options().mode == ImageMode::rgb) return 3;
        return header_.has_palette() ? 1 : header_.masks[3] != 0 ? 4 : 3;
    }
    void decode_run_lengths(const Region& region, at::Tensor& out) const;
    void put_row(const uint8_t* row, const Region& region, uint8_t* out) const;
    void put_indices(const uint8_t* indices, size_t count, uint8_t* out) const;
    void put_colors(const uint8_t* row, const Region& region, uint8_t* out) const;

    BmpHeader header_;
};

/// `out`: `count` pixels of the mode.
void BmpImage::put_indices(const uint8_t* indices, size_t count, uint8_t* out) const {
    for (size_t i = 0; i < count; ++i) {
        const auto& color = header_.palette[indices[i]];
        if (options().mode == ImageMode::unchanged)
            out[i] = indices[i];
        else if (options().mode == ImageMode::gray)
            gray_of_rgb(color.data(), out + i, 1);
        else
            std::copy(color.begin(), color.end(), out + 3 * i);
    }
}

/// A channel of `mask`, spread over 0 … 255.
uint8_t channel(uint32_t pixel, uint32_t mask) {
    if (mask == 0) return 0;
    const int shift = std::countr_zero(mask);
    return uint8_t(uint64_t((pixel & mask) >> shift) * 255 / (mask >> shift));
}

void BmpImage::put_colors(const uint8_t* row, const Region& region, uint8_t* out) const {
    const size_t pixel_size = size_t(header_.bits) / 8;
    const size_t numbers = options().mode == ImageMode::unchanged ? size_t(channels()) : 3;
    const uint8_t* from = row + size_t(region.left) * pixel_size;
    for (int64_t i = 0; i < region.width; ++i, from += pixel_size) {
        uint32_t pixel = 0;
        for (size_t byte = pixel_size; byte-- > 0;) pixel = pixel << 8 | from[byte];
        std::array<uint8_t, 4> color;
        for (size_t c = 0; c < numbers; ++c) color[c] = channel(pixel, header_.masks[c]);
        if (options().mode == ImageMode::gray)
            gray_of_rgb(color.data(), out++, 1);
        else
            out = std::copy_n(color.begin(), numbers, out);
    }
}

void BmpImage::put_row(const uint8_t* row, const Region& region, uint8_t* out) const {
    if (!header_.has_palette()) return put_colors(row, region, out);
    std::vector<uint8_t> indices(static_cast<size_t>(region.width));
    const auto bits = size_t(header_.bits);
    for (size_t i = 0; i < indices.size(); ++i) {
        const size_t bit = (size_t(region.left) + i) * bits;
        indices[i] = uint8_t(row[bit / 8] << (bit % 8)) >> (8 - bits);
    }
    put_indices(indices.data(), indices.size(), out);
}

at::Tensor BmpImage::decode(const Region& region) const {
    at::Tensor out = at::empty({region.height, region.width, channels()}, at::kByte);
    if (header_.run_lengths) {
        decode_run_lengths(region, out);
        return out;
    }
    const size_t row_size = header_.row_size();
    // The last row may lack its padding.
    const size_t used = (size_t(stored_width()) * size_t(header_.bits) + 7) / 8;
    bool is_cut = false;
    for (int64_t y = 0; y < region.height; ++y) {
        const int64_t line = region.top + y;
        const auto place = size_t(header_.top_down ? line : stored_height() - 1 - line);
        const size_t offset = header_.pixels_at + place * row_size;
        const bool is_there = offset + used <= bytes().size();
        uint8_t* to = out.mutable_data_ptr<uint8_t>() + y * out.stride(0);
        if (is_there)
            put_row(bytes().data() + offset, region, to);
        else
            std::fill_n(to, out.stride(0), missing());
        is_cut = is_cut || !is_there;
    }
    if (is_cut) report_damaged("it ends early");
    return out;
}

void BmpImage::decode_run_lengths(const Region& region, at::Tensor& out) const {
    std::vector<uint8_t> indices(size_t(stored_height() * stored_width()));
    const bool ended = expand_run_lengths(bytes().subspan(header_.pixels_at), header_.bits,
                                          size_t(stored_width()), indices);
    if (!ended) report_damaged("it ends early");
    for (int64_t y = 0; y < region.height; ++y) {
        const int64_t line = stored_height() - 1 - region.top - y;
        put_indices(indices.data() + line * stored_width() + region.left, size_t(region.width),
                    out.mutable_data_ptr<uint8_t>() + y * out.stride(0));
    }
}

class BmpDecoder final : public ImageDecoder {
  public:
    bool recognises(std::span<const uint8_t> head) const override {
        constexpr uint8_t header_sizes[] = {12, 40, 52, 56, 64, 108, 124};
        return head.size() >= 18 && head[0] == 'B' && head[1] == 'M' && head[15] == 0 &&
               head[16] == 0 && head[17] == 0 &&
               std::find(std::begin(header_sizes), std::end(header_sizes), head[14]) !=
                   std::end(header_sizes);
    }
    ImagePtr open(EncodedImage encoded, const DecodeOptions& options) const override {
        return std::make_shared<BmpImage>(std::move(encoded), options);
    }
};

}  // namespace

AILAB_REGISTER_IMAGE_DECODER(BmpDecoder, "bmp", "Windows and OS/2 bitmaps")

}  // namespace ailab
