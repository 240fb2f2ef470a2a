// RandAugment: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced
// search space", 2019. TrivialAugment: Müller and Hutter, "TrivialAugment: Tuning-free Yet
// State-of-the-Art Data Augmentation", ICCV 2021.
#include "augmentation.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

using enum image::Operation;

constexpr image::Operation rand_operations[] = {
    identity, shear_x,  shear_y,   translate_x, translate_y, rotate,        brightness,
    color,    contrast, sharpness, posterize,   solarize,    auto_contrast, equalize};

class RandAugment final : public Transform {
  public:
    struct Options : AugmentationOptions {
        int64_t num_ops = 2;
        int64_t magnitude = 9;
        int64_t num_magnitude_bins = 31;

        void visit(OptionVisitor& v) {
            v.option("num_ops", num_ops, "operations one after another", count_from(0));
            v.option("magnitude", magnitude, "of all of them, below num_magnitude_bins",
                     count_from(0));
            v.option("num_magnitude_bins", num_magnitude_bins, "number of magnitudes",
                     count_from(2));
            AugmentationOptions::visit(v);
            v.rule([this] {
                return magnitude < num_magnitude_bins
                           ? ""
                           : "magnitude must be below num_magnitude_bins";
            });
        }
    };

    explicit RandAugment(const Options& options) : options_(options) {}

    void apply(Sample& sample, Philox& random) const override {
        const image::Size size = image_size(sample);
        for (int64_t i = 0; i < options_.num_ops; ++i) {
            const image::Operation operation = one_of_operations(rand_operations, random);
            const image::Magnitude magnitude =
                image::magnitude_of(operation, image::auto_augment_strength, options_.magnitude,
                                    options_.num_magnitude_bins, size);
            augment(sample, operation, with_sign(magnitude, random), options_);
        }
    }

  private:
    const Options options_;
};

AILAB_REGISTER_TRANSFORM(RandAugment, "Operations of one magnitude, drawn from 14")

class TrivialAugmentWide final : public Transform {
  public:
    struct Options : AugmentationOptions {
        int64_t num_magnitude_bins = 31;

        void visit(OptionVisitor& v) {
            v.option("num_magnitude_bins", num_magnitude_bins, "number of magnitudes",
                     count_from(2));
            AugmentationOptions::visit(v);
        }
    };

    explicit TrivialAugmentWide(const Options& options) : options_(options) {}

    void apply(Sample& sample, Philox& random) const override {
        const int64_t bins = options_.num_magnitude_bins;
        const image::Operation operation = one_of_operations(rand_operations, random);
        const auto step = int64_t(random.below(uint64_t(bins)));
        const image::Magnitude magnitude =
            image::magnitude_of(operation, image::wide_strength, step, bins, image_size(sample));
        augment(sample, operation, with_sign(magnitude, random), options_);
    }

  private:
    const Options options_;
};

AILAB_REGISTER_TRANSFORM(TrivialAugmentWide, "One operation of any magnitude, drawn from 14")

}  // namespace
}  // namespace ailab
