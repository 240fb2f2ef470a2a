#pragma once
// What AutoAugment, RandAugment, TrivialAugmentWide and AugMix have in common.
#include "option_types.hpp"
#include "pixels/augment.hpp"
#include "sample_image.hpp"

namespace ailab {

struct AugmentationOptions : FillOptions {
    AugmentationOptions() { fill = std::initializer_list<double>(); }

    std::string interpolation = "nearest";

    void visit(OptionVisitor& v) {
        v.option("interpolation", interpolation, "how pixels between pixels are found",
                 affine_choices());
        v.option("fill", fill, "value of new pixels of the image, or one a channel; []: black");
        v.option("mask_fill", mask_fill, "value of new pixels of the mask");
        v.rule([this] { return wrong_count("fill", fill, {0, 1, 3}); });
    }

    image::Sampling image_sampling() const {
        image::Sampling sampling{interpolation_of(interpolation), {}};
        if (!fill.values.empty()) sampling.fill = fill.values;
        return sampling;
    }
};

/// Draws the sign of a magnitude that has one.
inline double with_sign(const image::Magnitude& magnitude, Philox& random) {
    return magnitude.is_signed && random.chance(0.5) ? -magnitude.value : magnitude.value;
}

/// Applies an operation to the image, and, if it moves pixels, to what lies on it.
inline void augment(Sample& sample, image::Operation operation, double magnitude,
                    const AugmentationOptions& options) {
    image::check_bytes(pixels_of(sample), "augmentation");
    const auto on_image = [&](const Tensor& image) {
        return image::apply(operation, magnitude, image, options.image_sampling());
    };
    if (!image::moves_pixels(operation)) return change_pixels(sample, on_image);
    const auto on_mask = [&](const Tensor& mask) {
        return image::apply(operation, magnitude, mask,
                            {image::Interpolation::nearest, image::Fill{options.mask_fill}});
    };
    move_fields(sample, movement(image::geometry_of(operation, magnitude, image_size(sample)),
                                 on_image, on_mask));
}

/// One of them, each as likely.
template <class Operations>
image::Operation one_of_operations(const Operations& operations, Philox& random) {
    return operations[random.below(std::size(operations))];
}

}  // namespace ailab
