#include "ailab/geometry.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ailab/error.hpp"

namespace ailab {

namespace {

/// `second` of what `first` gives.
AffineMatrix product(const AffineMatrix& second, const AffineMatrix& first) {
    const auto [a, b, c, d, e, f] = second;
    const auto [p, q, r, s, t, u] = first;
    return {a * p + b * s, a * q + b * t, a * r + b * u + c,
            d * p + e * s, d * q + e * t, d * r + e * u + f};
}

}  // namespace

std::string ImageSize::str() const {
    return concat(height, " x ", width);
}

Geometry Geometry::crop(ImageSize size, const Region& part) {
    return {size, {1, 0, -double(part.left), 0, 1, -double(part.top)}, {part.height, part.width}};
}

Geometry Geometry::flip_horizontally(ImageSize size) {
    return {size, {-1, 0, double(size.width), 0, 1, 0}, size};
}

Geometry Geometry::flip_vertically(ImageSize size) {
    return {size, {1, 0, 0, 0, -1, double(size.height)}, size};
}

Geometry Geometry::resize(ImageSize from, ImageSize to) {
    const double across = double(to.width) / double(from.width);
    const double down = double(to.height) / double(from.height);
    return {from, {across, 0, 0, 0, down, 0}, to};
}

Geometry Geometry::then(const Geometry& next) const {
    if (!(next.input_ == output_))
        throw Error(concat("a geometry of images of ", next.input_.str(),
                           " pixels cannot follow one that makes ", output_.str()));
    return {input_, product(next.matrix_, matrix_), next.output_};
}

Geometry Geometry::inverse() const {
    const auto [a, b, c, d, e, f] = matrix_;
    const double determinant = a * e - b * d;
    if (determinant == 0 || !std::isfinite(determinant))
        throw Error("a geometry that leaves nothing of the image cannot be undone");
    const double p = e / determinant, q = -b / determinant;
    const double s = -d / determinant, t = a / determinant;
    return {output_, {p, q, -(p * c + q * f), s, t, -(s * c + t * f)}, input_};
}

at::Tensor Geometry::apply_to_boxes(const at::Tensor& boxes) const {
    if (boxes.dim() != 2 || boxes.size(1) != 4 || !boxes.is_floating_point())
        throw Error(concat("boxes are [n, 4] of floating point, got ", c10::str(boxes.sizes()), " ",
                           c10::toString(boxes.scalar_type())));
    at::Tensor moved = boxes.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous();
    auto* box = moved.mutable_data_ptr<double>();
    const auto width = double(output_.width), height = double(output_.height);
    for (int64_t i = 0; i < moved.size(0); ++i, box += 4) {
        const std::array corners = {apply(box[0], box[1]), apply(box[2], box[1]),
                                    apply(box[0], box[3]), apply(box[2], box[3])};
        for (size_t axis = 0; axis < 2; ++axis) {
            const auto [low, high] = std::minmax_element(
                corners.begin(), corners.end(),
                [&](const auto& one, const auto& other) { return one[axis] < other[axis]; });
            const double most = axis == 0 ? width : height;
            box[axis] = std::clamp((*low)[axis], 0.0, most);
            box[axis + 2] = std::clamp((*high)[axis], 0.0, most);
        }
    }
    return moved.to(boxes.scalar_type());
}

at::Tensor Geometry::apply_to_points(const at::Tensor& points) const {
    const int64_t columns = points.dim() > 0 ? points.size(-1) : 0;
    if ((columns != 2 && columns != 3) || !points.is_floating_point())
        throw Error(concat("points are [..., 2] or [..., 3] of floating point, got ",
                           c10::str(points.sizes()), " ", c10::toString(points.scalar_type())));
    at::Tensor moved = points.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous();
    auto* point = moved.mutable_data_ptr<double>();
    for (int64_t i = 0; i < moved.numel() / columns; ++i, point += columns) {
        const auto [x, y] = apply(point[0], point[1]);
        point[0] = x;
        point[1] = y;
    }
    return moved.to(points.scalar_type());
}

}  // namespace ailab
