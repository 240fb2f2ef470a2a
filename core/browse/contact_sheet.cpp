#include "contact_sheet.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "ailab/error.hpp"
#include "glyphs.hpp"

namespace ailab {
namespace {

constexpr int64_t margin = 4;
constexpr uint8_t paper = 255;
constexpr uint8_t ink = 0;

/// The characters of UTF-8 that the font has; one '?' for each other.
std::string drawable(const std::string& text) {
    std::string drawn;
    for (const char c : text) {
        if (c >= first_glyph && c <= last_glyph)
            drawn += c;
        else if ((uint8_t(c) & 0xC0) != 0x80)  // not the rest of a character
            drawn += '?';
    }
    return drawn;
}

void draw_text(at::Tensor& page, int64_t top, int64_t left, const std::string& text,
               int64_t width) {
    auto pixels = page.accessor<uint8_t, 3>();
    const std::string line =
        drawable(text).substr(0, size_t(std::max<int64_t>(0, width / glyph_width)));
    for (size_t i = 0; i < line.size(); ++i)
        for (int y = 0; y < glyph_height; ++y)
            for (int x = 0; x < glyph_width; ++x)
                if (glyphs[line[i] - first_glyph][y] >> (glyph_width - 1 - x) & 1)
                    for (int64_t channel = 0; channel < 3; ++channel)
                        pixels[channel][top + y][left + int64_t(i) * glyph_width + x] = ink;
}

}  // namespace

at::Tensor to_bytes(const at::Tensor& image) {
    if (image.scalar_type() == at::kByte) return image;
    const at::Tensor values = image.to(at::kFloat);
    const double low = values.min().item<double>();
    const double range = values.max().item<double>() - low;
    return ((values - low) * (range > 0 ? 255 / range : 0)).nan_to_num().round().to(at::kByte);
}

void ContactSheet::add(const at::Tensor& image, std::string caption) {
    if (!image.defined()) {
        cells_.push_back({image, std::move(caption)});
        return;
    }
    if (image.dim() != 3 || (image.size(0) != 1 && image.size(0) != 3) || image.numel() == 0)
        throw Error(concat("an image to look at is [1 or 3, H, W]; got ", image.dim(),
                           " dimensions, the first of ", image.dim() ? image.size(0) : 0));
    at::Tensor bytes = to_bytes(image).expand({3, image.size(1), image.size(2)});
    const double scale = double(most_) / double(std::max(bytes.size(1), bytes.size(2)));
    if (scale < 1) {
        const auto scaled = [&](int64_t size) {
            return std::max<int64_t>(1, int64_t(double(size) * scale));
        };
        bytes = at::_upsample_bilinear2d_aa(bytes.contiguous().unsqueeze(0),
                                            {scaled(bytes.size(1)), scaled(bytes.size(2))},
                                            /*align_corners=*/false)
                    .squeeze(0);
    }
    cells_.push_back({bytes, std::move(caption)});
}

at::Tensor ContactSheet::draw() const {
    if (cells_.empty()) throw Error("there is no image to draw");
    int64_t height = 1, width = 16 * glyph_width;
    for (const Cell& cell : cells_) {
        if (!cell.image.defined()) continue;
        height = std::max(height, cell.image.size(1));
        width = std::max(width, cell.image.size(2));
    }
    const int64_t rows = (int64_t(cells_.size()) + columns_ - 1) / columns_;
    const int64_t cell_height = height + glyph_height + 2 * margin, cell_width = width + margin;
    at::Tensor page = at::full({3, rows * cell_height + margin, columns_ * cell_width + margin},
                               paper, at::kByte);
    for (size_t i = 0; i < cells_.size(); ++i) {
        const int64_t top = int64_t(i) / columns_ * cell_height + margin;
        const int64_t left = int64_t(i) % columns_ * cell_width + margin;
        const at::Tensor& image = cells_[i].image;
        if (image.defined())
            page.narrow(1, top, image.size(1)).narrow(2, left, image.size(2)).copy_(image);
        draw_text(page, top + height + margin / 2, left, cells_[i].caption, width);
    }
    return page;
}

}  // namespace ailab
