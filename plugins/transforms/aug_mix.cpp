// AugMix: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and
// Uncertainty", ICLR 2020.
#include "augmentation.hpp"
#include "gamma.hpp"
#include "options/limits.hpp"
#include "pixels/weighted_sum.hpp"

namespace ailab {
namespace {

using enum image::Operation;

constexpr image::Operation operations[] = {
    shear_x,       shear_y,  translate_x, translate_y, rotate,   posterize, solarize,
    auto_contrast, equalize, brightness,  color,       contrast, sharpness};
constexpr size_t first_color_operation = 9;

class AugMix final : public Transform {
  public:
    struct Options : AugmentationOptions {
        Options() { interpolation = "bilinear"; }

        int64_t severity = 3;
        int64_t mixture_width = 3;
        int64_t chain_depth = -1;
        double alpha = 1;
        bool all_ops = true;

        void visit(OptionVisitor& v) {
            v.option("severity", severity, "how strong the operations may be", between(1, 10));
            v.option("mixture_width", mixture_width, "chains of operations", count_from(1));
            v.option("chain_depth", chain_depth, "operations of a chain; below 1: 1 to 3, drawn",
                     at_most(10'000));
            v.option("alpha", alpha, "parameter of the weights' Dirichlet distribution", above(0));
            v.option("all_ops", all_ops, "brightness, color, contrast and sharpness too");
            AugmentationOptions::visit(v);
        }
    };

    explicit AugMix(const Options& options)
        : options_(options),
          operations_(std::span(operations)
                          .first(options.all_ops ? std::size(operations) : first_color_operation)) {
    }

    void apply(Sample& sample, Philox& random) const override {
        if (const std::string field = field_on_image(sample); !field.empty())
            throw Error(concat("AugMix mixes images that moved differently: there is no ", field,
                               " for them"));
        const Tensor image = pixels_of(sample);
        image::check_bytes(image, "AugMix");
        const std::vector<double> mixed = dirichlet(2, options_.alpha, random);
        std::vector<double> weights =
            dirichlet(size_t(options_.mixture_width), options_.alpha, random);
        for (double& weight : weights) weight *= mixed[1];
        std::vector<Tensor> images = {image};
        weights.insert(weights.begin(), mixed[0]);
        while (images.size() < weights.size()) images.push_back(chain(image, random));
        pixels_of(sample) = image::weighted_sum(images, weights);
    }

  private:
    Tensor chain(Tensor image, Philox& random) const {
        constexpr int64_t magnitudes = 10;
        const int64_t depth =
            options_.chain_depth > 0 ? options_.chain_depth : 1 + int64_t(random.below(3));
        for (int64_t i = 0; i < depth; ++i) {
            const image::Operation operation = one_of_operations(operations_, random);
            const auto step = int64_t(random.below(uint64_t(options_.severity)));
            const image::Magnitude magnitude = image::magnitude_of(
                operation, image::aug_mix_strength, step, magnitudes, image::size_of(image));
            image = image::apply(operation, with_sign(magnitude, random), image,
                                 options_.image_sampling());
        }
        return image;
    }

    const Options options_;
    const std::span<const image::Operation> operations_;
};

AILAB_REGISTER_TRANSFORM(AugMix, "The image mixed with several chains of operations on it")

}  // namespace
}  // namespace ailab
