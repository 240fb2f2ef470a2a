#include "sample_image.hpp"

#include <ATen/ATen.h>

namespace ailab {

Tensor& pixels_of(Sample& sample) {
    Tensor& pixels = sample.tensor(image_field(sample));
    image::check_image(pixels);
    return pixels;
}

void change_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& f) {
    Tensor& pixels = pixels_of(sample);
    pixels = f(pixels);
}

Movement movement(const Geometry& geometry, Movement::OnPixels on_image,
                  Movement::OnPixels on_mask) {
    const auto checked = [move = std::move(on_image)](const Tensor& pixels) {
        image::check_image(pixels);
        return move(pixels);
    };
    return {.geometry = geometry, .image = checked, .mask = std::move(on_mask)};
}

Movement padded_by(image::Size size, const image::Padding& padding, const image::Fill& fill,
                   const image::Fill& mask_fill, image::PaddingMode mode) {
    const Region whole = {-padding.top, -padding.left, size.height + padding.top + padding.bottom,
                          size.width + padding.left + padding.right};
    const auto by = [=](const image::Fill& with) {
        return [=](const Tensor& pixels) { return image::pad(pixels, padding, mode, with); };
    };
    return movement(Geometry::crop(size, whole), by(fill), by(mask_fill));
}

Movement crop(image::Size size, const Region& part) {
    const auto checked = [](const Tensor& pixels) {
        image::check_image(pixels);
        return pixels;
    };
    return {.geometry = Geometry::crop(size, part), .part = part, .image = checked};
}

}  // namespace ailab
