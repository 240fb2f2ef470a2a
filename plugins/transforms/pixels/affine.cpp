#include "affine.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "affine_grid.hpp"
#include "ailab/error.hpp"

namespace ailab::image {
namespace {

double radians(double degrees) {
    return degrees * (std::numbers::pi / 180);
}

/// Shear x, shear y and turn: [a b; c d], whose determinant is 1.
struct Turn {
    double a, b, c, d;

    explicit Turn(const AffineParameters& p) {
        const double turn = radians(p.angle), shear_x = radians(p.shear[0]),
                     shear_y = radians(p.shear[1]);
        a = std::cos(turn - shear_y) / std::cos(shear_y);
        b = -(a * std::tan(shear_x) + std::sin(turn));
        c = std::sin(turn - shear_y) / std::cos(shear_y);
        d = std::cos(turn) - c * std::tan(shear_x);
    }
};

/// The inverse of: shear x, shear y, scale and turn about the center, then translate.
Matrix inverse_matrix(const AffineParameters& p, const Point& center) {
    const auto [a, b, c, d] = Turn(p);
    Matrix m = {d / p.scale, -b / p.scale, 0, -c / p.scale, a / p.scale, 0};
    const double x = center[0] + p.translate[0], y = center[1] + p.translate[1];
    m[2] += center[0] - m[0] * x - m[1] * y;
    m[5] += center[1] - m[3] * x - m[4] * y;
    return m;
}

/// What that is the inverse of, for places from the left upper corner.
Geometry forward_map(const AffineParameters& p, const Point& center, Size from, Size to) {
    const auto [a, b, c, d] = Turn(p);
    const AffineMatrix linear = {p.scale * a, p.scale * b, 0, p.scale * c, p.scale * d, 0};
    const double x = center[0] + 0.5 * double(from.width),
                 y = center[1] + 0.5 * double(from.height);
    AffineMatrix m = linear;
    m[2] = center[0] + p.translate[0] + 0.5 * double(to.width) - linear[0] * x - linear[1] * y;
    m[5] = center[1] + p.translate[1] + 0.5 * double(to.height) - linear[3] * x - linear[4] * y;
    return Geometry::affine(from, m, to);
}

/// Relative to the image's center.
Point relative(const std::optional<Point>& center, Size size) {
    if (!center) return {0, 0};
    return {(*center)[0] - double(size.width) * 0.5, (*center)[1] - double(size.height) * 0.5};
}

Tensor as_tensor(const Matrix& matrix) {
    std::array<float, 6> values;
    for (size_t i = 0; i < 6; ++i) values[i] = float(matrix[i]);
    return at::tensor(at::ArrayRef<float>(values.data(), 6), at::kFloat).view({1, 2, 3});
}

/// The smallest canvas that holds the turned corners.
Size expanded(const Matrix& matrix, Size size) {
    const float half_width = 0.5F * float(size.width), half_height = 0.5F * float(size.height);
    const std::vector<float> corners = {-half_width, -half_height, 1, -half_width, half_height,  1,
                                        half_width,  half_height,  1, half_width,  -half_height, 1};
    const Tensor moved =
        at::tensor(corners, at::kFloat).view({4, 3}).matmul(as_tensor(matrix)[0].t());
    const auto [low, high] = moved.aminmax(0);
    const Tensor half = at::tensor(std::vector<float>{half_width, half_height}, at::kFloat);
    // Four digits count, so that rounding does not add a pixel.
    const double digits = 1e-4;
    const auto cut = [&](const Tensor& value) {
        return value.add(half).mul_(1.0 / digits).trunc_().mul_(digits);
    };
    const Tensor extent = cut(high).ceil_().sub_(cut(low).floor_());
    return {int64_t(extent[1].item<float>()), int64_t(extent[0].item<float>())};
}

/// The fill as one pixel of the image's type; integers are rounded.
Tensor fill_pixel(const Tensor& image, const std::vector<double>& fill) {
    const Tensor values = at::tensor(fill, at::kDouble);
    return (image.is_floating_point() ? values : values.round()).to(image.scalar_type());
}

template <size_t bytes>
void copy_pixels(const char* from, const int32_t* pixels, int64_t count, const char* outside,
                 char* to) {
    for (int64_t i = 0; i < count; ++i)
        std::memcpy(to + i * bytes, pixels[i] < 0 ? outside : from + pixels[i] * int64_t(bytes),
                    bytes);
}

Tensor sample_nearest(const Tensor& image, const AffineGrid& grid, Size size,
                      const std::vector<double>& fill) {
    const Tensor rows = rows_of(image), outside = fill_pixel(image, fill);
    Tensor result = new_image(image.size(0), size.height, size.width, image.scalar_type());
    const auto bytes = int64_t(outside.nbytes());
    const auto copy = bytes == 1    ? copy_pixels<1>
                      : bytes == 3  ? copy_pixels<3>
                      : bytes == 4  ? copy_pixels<4>
                      : bytes == 8  ? copy_pixels<8>
                      : bytes == 12 ? copy_pixels<12>
                                    : nullptr;
    if (!copy) throw Error(concat("pixels of ", bytes, " bytes cannot be moved"));
    const auto* from = static_cast<const char*>(rows.const_data_ptr());
    auto* to = static_cast<char*>(result.mutable_data_ptr());
    std::vector<int32_t> pixels(size_t(size.width));
    for (int64_t y = 0; y < size.height; ++y) {
        grid.nearest(y, pixels.data());
        copy(from, pixels.data(), size.width, static_cast<const char*>(outside.const_data_ptr()),
             to + y * size.width * bytes);
    }
    return result;
}

Tensor sample_bilinear(const Tensor& image, const AffineGrid& grid,
                       const std::optional<Fill>& fill) {
    constexpr int64_t bilinear = 0, zeros = 0;
    Tensor floats = image.to(at::kFloat).unsqueeze(0);
    // What the filled border needs is a channel that says how much of a pixel is inside.
    if (fill)
        floats = at::cat({floats, at::ones({1, 1, image.size(1), image.size(2)}, at::kFloat)}, 1);
    Tensor result = at::grid_sampler(floats, grid.tensor(), bilinear, zeros, false)[0];
    if (fill) {
        const int64_t channels = image.size(0);
        const Tensor inside = result.narrow(0, channels, 1);
        const Tensor outside =
            at::tensor(fill_of(*fill, image), at::kDouble).to(at::kFloat).view({-1, 1, 1});
        result = result.narrow(0, 0, channels).sub(outside).mul_(inside).add_(outside);
    }
    if (!image.is_floating_point()) result = result.round().to(image.scalar_type());
    return image_of_rows(rows_of(result));
}

Tensor sample(const Tensor& image, const Matrix& matrix, Size size, const Sampling& sampling) {
    const AffineGrid grid(matrix, size_of(image), size);
    if (sampling.interpolation == Interpolation::nearest)
        return sample_nearest(image, grid, size, fill_of(sampling.fill.value_or(Fill()), image));
    return sample_bilinear(image, grid, sampling.fill);
}

}  // namespace

namespace {

double turn_of(double angle) {
    angle = std::fmod(angle, 360);
    return angle < 0 ? angle + 360 : angle;
}

/// Quarter turns, of which pixels are not resampled: how many, or none.
std::optional<int64_t> quarter_turns(double angle, bool expand, Size size) {
    if (angle == 0 || angle == 180) return int64_t(angle) / 90;
    const bool fits = expand || size.height == size.width;
    if (fits && (angle == 90 || angle == 270)) return int64_t(angle) / 90;
    return {};
}

AffineParameters turned_by(double angle) {
    AffineParameters parameters;
    parameters.angle = -angle;
    return parameters;
}

}  // namespace

Geometry affine_map(Size size, const AffineParameters& parameters) {
    return forward_map(parameters, relative(parameters.center, size), size, size);
}

Geometry rotation(Size size, double angle, bool expand, std::optional<Point> center) {
    angle = turn_of(angle);
    const auto width = double(size.width), height = double(size.height);
    if (const auto turns = quarter_turns(angle, expand, size); turns && !center) {
        const AffineMatrix turned[] = {{1, 0, 0, 0, 1, 0},
                                       {0, 1, 0, -1, 0, width},
                                       {-1, 0, width, 0, -1, height},
                                       {0, -1, height, 1, 0, 0}};
        const Size to = *turns % 2 == 0 ? size : Size{size.width, size.height};
        return Geometry::affine(size, turned[*turns], to);
    }
    const AffineParameters parameters = turned_by(angle);
    const Point about = relative(center, size);
    const Size to = expand ? expanded(inverse_matrix(parameters, about), size) : size;
    return forward_map(parameters, about, size, to);
}

Tensor affine(const Tensor& image, const AffineParameters& parameters, const Sampling& sampling) {
    const Size size = size_of(image);
    const Matrix matrix = inverse_matrix(parameters, relative(parameters.center, size));
    return sample(image, matrix, size, sampling);
}

Tensor rotate(const Tensor& image, double angle, bool expand, std::optional<Point> center,
              const Sampling& sampling) {
    const Size size = size_of(image);
    angle = turn_of(angle);
    if (const auto turns = quarter_turns(angle, expand, size); turns && !center)
        return *turns == 0 ? image : image_of_rows(rows_of(at::rot90(image, *turns, {1, 2})));
    const Matrix matrix = inverse_matrix(turned_by(angle), relative(center, size));
    return sample(image, matrix, expand ? expanded(matrix, size) : size, sampling);
}

}  // namespace ailab::image
