#include <algorithm>

#include "option_types.hpp"
#include "pixels/color.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

using Range = std::optional<OneOrMore<double>>;

class ColorJitter final : public Transform {
  public:
    struct Options {
        Range brightness, contrast, saturation, hue;

        void visit(OptionVisitor& v) {
            const Bounds factor = at_least(0);
            v.option("brightness", brightness, factor_doc("brightness"), factor);
            v.option("contrast", contrast, factor_doc("contrast"), factor);
            v.option("saturation", saturation, factor_doc("saturation"), factor);
            v.option("hue", hue,
                     "what is added to the hue, of a circle of 1: -hue ... hue, or "
                     "[lowest, highest]; null: 0",
                     between(-0.5, 0.5));
            for (const auto& [name, range] : {std::pair{"brightness", &brightness},
                                              {"contrast", &contrast},
                                              {"saturation", &saturation},
                                              {"hue", &hue}})
                v.rule([name = std::string(name), range = range]() -> std::string {
                    if (!*range) return "";
                    if ((*range)->size() > 1) return wrong_range(name, (*range)->values);
                    return (**range)[0] >= 0 ? "" : name + " must not be negative";
                });
        }

        static std::string factor_doc(const std::string& name) {
            return concat("factor of the ", name, ": 1 - ", name, " ... 1 + ", name,
                          ", or [lowest, highest]; null: 1");
        }
    };

    explicit ColorJitter(const Options& options) : options_(options) {}

    void apply(Sample& sample, Philox& random) const override {
        using Adjust = Tensor (*)(const Tensor&, double);
        struct Step {
            Adjust adjust;
            std::optional<double> factor;
        };
        std::array<size_t, 4> order = {0, 1, 2, 3};
        for (size_t i = order.size() - 1; i > 0; --i)
            std::swap(order[i], order[random.below(i + 1)]);
        const std::array<Step, 4> steps = {
            Step{image::adjust_brightness, draw(options_.brightness, 1, random)},
            Step{image::adjust_contrast, draw(options_.contrast, 1, random)},
            Step{image::adjust_saturation, draw(options_.saturation, 1, random)},
            Step{image::adjust_hue, draw(options_.hue, 0, random)}};
        change_pixels(sample, [&](Tensor image) {
            for (const size_t i : order)
                if (steps[i].factor) image = steps[i].adjust(image, *steps[i].factor);
            return image;
        });
    }

  private:
    /// One number is the distance from what changes nothing.
    static std::optional<double> draw(const Range& range, double neutral, Philox& random) {
        if (!range) return {};
        if (range->size() == 2) return random.uniform((*range)[0], (*range)[1]);
        const double width = (*range)[0];
        const double low = neutral - width;
        return random.uniform(neutral > 0 ? std::max(low, 0.0) : low, neutral + width);
    }

    const Options options_;
};

AILAB_REGISTER_TRANSFORM(ColorJitter,
                         "Brightness, contrast, saturation and hue changed, in a drawn order")

}  // namespace
}  // namespace ailab
