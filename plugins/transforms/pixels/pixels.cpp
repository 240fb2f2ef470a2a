#include "pixels.hpp"

#include <ATen/ATen.h>

#include <sstream>

#include "ailab/error.hpp"

namespace ailab::image {
namespace {

std::string text_of(const Tensor& tensor) {
    std::ostringstream out;
    out << tensor.sizes() << ' ' << c10::toString(tensor.scalar_type());
    return out.str();
}

}  // namespace

void check_image(const Tensor& image) {
    const bool shape = image.dim() == 3 && (image.size(0) == 1 || image.size(0) == 3);
    const bool type = image.scalar_type() == at::kByte || image.scalar_type() == at::kFloat;
    if (!shape || !type)
        throw Error(concat("an image is uint8 or float32 of shape [1, H, W] or [3, H, W]; got ",
                           text_of(image)));
    if (image.numel() == 0) throw Error(concat("the image is empty: ", text_of(image)));
}

void check_bytes(const Tensor& image, const char* who) {
    check_image(image);
    if (image.scalar_type() != at::kByte)
        throw Error(concat(who, " takes uint8 pixels, got ", text_of(image),
                           ": list it before ToTensor and Normalize"));
}

Tensor rows_of(const Tensor& image) {
    return image.permute({1, 2, 0}).contiguous();
}

Tensor image_of_rows(const Tensor& rows) {
    return rows.permute({2, 0, 1});
}

Tensor new_image(int64_t channels, int64_t height, int64_t width, at::ScalarType dtype) {
    return image_of_rows(at::empty({height, width, channels}, dtype));
}

Tensor new_image_like(const Tensor& image) {
    return new_image(image.size(0), image.size(1), image.size(2), image.scalar_type());
}

Tensor map_bytes(const Tensor& image, std::span<const ByteTable> tables) {
    const Tensor rows = rows_of(image);
    Tensor result = new_image_like(image);
    const auto* from = rows.const_data_ptr<uint8_t>();
    auto* to = result.mutable_data_ptr<uint8_t>();
    const int64_t count = image.numel();
    if (tables.size() == 1) {
        const ByteTable& table = tables[0];
        for (int64_t i = 0; i < count; ++i) to[i] = table[from[i]];
        return result;
    }
    const int64_t channels = image.size(0);
    for (int64_t i = 0; i < count; i += channels)
        for (int64_t c = 0; c < channels; ++c) to[i + c] = tables[size_t(c)][from[i + c]];
    return result;
}

std::vector<double> fill_of(const Fill& fill, const Tensor& image) {
    const auto channels = size_t(image.size(0));
    if (fill.size() > 1 && fill.size() != channels)
        throw Error(concat("fill has ", fill.size(), " numbers, the image ", channels,
                           channels == 1 ? " channel" : " channels"));
    if (image.scalar_type() == at::kByte)
        for (const double value : fill)
            if (value < 0 || value > 255)
                throw Error(concat("fill is ", value, ", the pixels are uint8 (0 … 255)"));
    if (fill.size() == channels) return fill;
    return std::vector<double>(channels, fill.empty() ? 0 : fill[0]);
}

}  // namespace ailab::image
