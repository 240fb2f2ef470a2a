#include "augment.hpp"

#include <cmath>
#include <numbers>
#include <optional>

#include "ailab/error.hpp"
#include "color.hpp"
#include "tone.hpp"

namespace ailab::image {
namespace {

constexpr const char* names[] = {"Identity",     "ShearX",    "ShearY",     "TranslateX",
                                 "TranslateY",   "Rotate",    "Brightness", "Color",
                                 "Contrast",     "Sharpness", "Posterize",  "Solarize",
                                 "AutoContrast", "Equalize",  "Invert"};

double degrees(double tangent) {
    return std::atan(tangent) * (180 / std::numbers::pi);
}

/// Evenly from `begin` to `end`, in float32 as torch.linspace.
double on_line(double begin, double end, int64_t step, int64_t steps) {
    if (steps == 1) return begin;
    const float width = (float(end) - float(begin)) / float(steps - 1);
    return step < steps / 2 ? float(begin) + width * float(step)
                            : float(end) - width * float(steps - step - 1);
}

}  // namespace

const Strength auto_augment_strength = {0.3, 30, 0.9, 150.0 / 331.0, 0, 8, 4};
const Strength wide_strength = {0.99, 135, 0.99, 0, 32, 8, 6};
const Strength aug_mix_strength = {0.3, 30, 0.9, 1.0 / 3.0, 0, 4, 4};

Operation operation_named(const std::string& name) {
    for (size_t i = 0; i < std::size(names); ++i)
        if (name == names[i]) return Operation(i);
    throw Error(concat("there is no operation ", name));
}

bool moves_pixels(Operation operation) {
    return operation >= Operation::shear_x && operation <= Operation::rotate;
}

namespace {

/// Of those that shear or translate.
std::optional<AffineParameters> affine_parameters(Operation operation, double magnitude) {
    AffineParameters moved;
    switch (operation) {
        case Operation::shear_x:
            moved.shear[0] = degrees(magnitude);
            moved.center = {0, 0};
            return moved;
        case Operation::shear_y:
            moved.shear[1] = degrees(magnitude);
            moved.center = {0, 0};
            return moved;
        case Operation::translate_x:
            moved.translate[0] = std::trunc(magnitude);
            return moved;
        case Operation::translate_y:
            moved.translate[1] = std::trunc(magnitude);
            return moved;
        default:
            return {};
    }
}

}  // namespace

Geometry geometry_of(Operation operation, double magnitude, Size size) {
    if (const auto moved = affine_parameters(operation, magnitude)) return affine_map(size, *moved);
    if (operation == Operation::rotate) return rotation(size, magnitude, false, {});
    return Geometry(size);
}

Tensor apply(Operation operation, double magnitude, const Tensor& image, const Sampling& sampling) {
    switch (operation) {
        case Operation::identity:
            return image;
        case Operation::shear_x:
        case Operation::shear_y:
        case Operation::translate_x:
        case Operation::translate_y:
            return affine(image, *affine_parameters(operation, magnitude), sampling);
        case Operation::rotate:
            return rotate(image, magnitude, false, {}, sampling);
        case Operation::brightness:
            return adjust_brightness(image, 1 + magnitude);
        case Operation::color:
            return adjust_saturation(image, 1 + magnitude);
        case Operation::contrast:
            return adjust_contrast(image, 1 + magnitude);
        case Operation::sharpness:
            return adjust_sharpness(image, 1 + magnitude);
        case Operation::posterize:
            return posterize(image, int(magnitude));
        case Operation::solarize:
            return solarize(image, 255 * magnitude);
        case Operation::auto_contrast:
            return autocontrast(image);
        case Operation::equalize:
            return equalize(image);
        case Operation::invert:
            return invert(image);
    }
    throw Error("unknown operation");
}

Magnitude magnitude_of(Operation operation, const Strength& s, int64_t step, int64_t steps,
                       Size size) {
    const auto up_to = [&](double end) { return Magnitude{on_line(0, end, step, steps), true}; };
    switch (operation) {
        case Operation::shear_x:
        case Operation::shear_y:
            return up_to(s.shear);
        case Operation::translate_x:
            return up_to(s.translate_pixels + s.translate_share * double(size.width));
        case Operation::translate_y:
            return up_to(s.translate_pixels + s.translate_share * double(size.height));
        case Operation::rotate:
            return up_to(s.rotate);
        case Operation::brightness:
        case Operation::color:
        case Operation::contrast:
        case Operation::sharpness:
            return up_to(s.factor);
        case Operation::posterize: {
            const float lost =
                steps == 1 ? 0 : float(step) / float(double(steps - 1) / s.posterize_lost);
            return {std::nearbyint(float(s.posterize_from) - lost), false};
        }
        case Operation::solarize:
            return {on_line(1, 0, step, steps), false};
        default:
            return {};
    }
}

}  // namespace ailab::image
