#pragma once
#include <string>

#include "affine.hpp"
#include "resize.hpp"

namespace ailab::image {

/// What AutoAugment (Cubuk et al., CVPR 2019) and its successors choose from.
enum class Operation {
    identity,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
    rotate,
    brightness,
    color,
    contrast,
    sharpness,
    posterize,
    solarize,
    auto_contrast,
    equalize,
    invert,
};

/// By torchvision's name: "ShearX". Throws Error for others.
Operation operation_named(const std::string& name);

/// Whether it moves pixels.
bool moves_pixels(Operation operation);

/// The operation on an image of uint8; for those that move pixels, on [C, H, W] of any type.
/// `magnitude`: of a shear its tangent, of a translation pixels, of a rotation degrees, of
/// brightness to sharpness what is added to the factor 1, of posterize bits, of solarize the
/// threshold (1 is white).
Tensor apply(Operation operation, double magnitude, const Tensor& image, const Sampling& sampling);

/// Where it moves what lies on an image of this size; nothing for those that move no pixels.
Geometry geometry_of(Operation operation, double magnitude, Size size);

/// The most that an operation does in a family of augmentations.
struct Strength {
    double shear;
    double rotate;
    double factor;           // brightness, color, contrast, sharpness
    double translate_share;  // of the image's side
    double translate_pixels;
    int posterize_from;  // bits at the weakest …
    int posterize_lost;  // … and how many less at the strongest
};

/// AutoAugment's and RandAugment's; TrivialAugment's "wide"; AugMix's.
extern const Strength auto_augment_strength, wide_strength, aug_mix_strength;

struct Magnitude {
    double value = 0;
    bool is_signed = false;  // half of the time negative
};

/// The magnitude in step `step` of 0 … steps-1, from the weakest to the strongest.
Magnitude magnitude_of(Operation operation, const Strength& strength, int64_t step, int64_t steps,
                       Size size);

}  // namespace ailab::image
