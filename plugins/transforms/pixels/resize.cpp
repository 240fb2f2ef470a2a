#include "resize.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "resample.hpp"

namespace ailab::image {
namespace {

Tensor resize_floats(const Tensor& image, Size size, Interpolation interpolation, bool antialias) {
    const Tensor batch = image.unsqueeze(0);
    const std::vector<int64_t> to = {size.height, size.width};
    const bool cubic = interpolation == Interpolation::bicubic;
    const Tensor result = antialias ? cubic ? at::_upsample_bicubic2d_aa(batch, to, false)
                                            : at::_upsample_bilinear2d_aa(batch, to, false)
                          : cubic ? at::upsample_bicubic2d(batch, to, false)
                                    : at::upsample_bilinear2d(batch, to, false);
    return image_of_rows(rows_of(result.squeeze(0)));
}

Tensor as_index(std::vector<int64_t> pixels) {
    return at::tensor(pixels, at::kLong);
}

}  // namespace

Size resized(Size size, int64_t shorter, std::optional<int64_t> longest) {
    const bool upright = size.width <= size.height;
    const int64_t old_short = upright ? size.width : size.height;
    const int64_t old_long = upright ? size.height : size.width;
    int64_t new_short = shorter;
    auto new_long = int64_t(double(shorter * old_long) / double(old_short));
    if (longest && new_long > *longest) {
        new_short = int64_t(double(*longest * new_short) / double(new_long));
        new_long = *longest;
    }
    return upright ? Size{new_long, new_short} : Size{new_short, new_long};
}

Tensor resize(const Tensor& image, Size size, Interpolation interpolation, bool antialias) {
    if (size_of(image) == size) return image;
    if (interpolation == Interpolation::nearest) return resize_nearest(image, size);
    return image.scalar_type() == at::kByte
               ? resample_bytes(image, size.height, size.width, interpolation, antialias)
               : resize_floats(image, size, interpolation, antialias);
}

Tensor resize_nearest(const Tensor& pixels, Size size) {
    const Size old = size_of(pixels);
    if (old == size) return pixels;
    const Tensor rows = as_index(nearest_pixels(old.height, size.height));
    const Tensor columns = as_index(nearest_pixels(old.width, size.width));
    if (pixels.dim() != 3) return pixels.index_select(-2, rows).index_select(-1, columns);
    return image_of_rows(rows_of(pixels).index_select(0, rows).index_select(1, columns));
}

}  // namespace ailab::image
