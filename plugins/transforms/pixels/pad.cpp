#include "pad.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab::image {
namespace {

/// Which old pixel each of a padded line is.
std::vector<int64_t> padded_line(int64_t size, int64_t before, int64_t after, PaddingMode mode) {
    const int64_t most = mode == PaddingMode::reflect     ? size - 1
                         : mode == PaddingMode::symmetric ? size
                                                          : before + after;
    if (std::max(before, after) > most)
        throw Error(concat("padding of ", std::max(before, after), " by mirroring needs more than ",
                           size, " pixels of the image"));
    const int64_t repeated = mode == PaddingMode::symmetric ? 1 : 0;
    std::vector<int64_t> line;
    for (int64_t i = -before; i < size + after; ++i) {
        if (mode == PaddingMode::edge)
            line.push_back(std::clamp<int64_t>(i, 0, size - 1));
        else
            line.push_back(i < 0 ? -i - repeated : i >= size ? 2 * (size - 1) - i + repeated : i);
    }
    return line;
}

}  // namespace

Tensor pad(const Tensor& image, const Padding& padding, PaddingMode mode, const Fill& fill) {
    if (!padding.any()) return image;
    const int64_t channels = image.size(0), height = image.size(1), width = image.size(2);
    if (mode != PaddingMode::constant) {
        const auto rows = padded_line(height, padding.top, padding.bottom, mode);
        const auto columns = padded_line(width, padding.left, padding.right, mode);
        return image_of_rows(rows_of(image)
                                 .index_select(0, at::tensor(rows, at::kLong))
                                 .index_select(1, at::tensor(columns, at::kLong)));
    }
    Tensor result = new_image(channels, height + padding.top + padding.bottom,
                              width + padding.left + padding.right, image.scalar_type());
    const std::vector<double> values = fill_of(fill, image);
    const bool one =
        std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
    if (one)
        result.fill_(values[0]);
    else
        for (int64_t c = 0; c < channels; ++c) result.select(0, c).fill_(values[size_t(c)]);
    result.narrow(1, padding.top, height).narrow(2, padding.left, width).copy_(image);
    return result;
}

}  // namespace ailab::image
