#include "pixels/pad.hpp"

#include "option_types.hpp"
#include "options/limits.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class Pad final : public GeometricTransform {
  public:
    struct Options : FillOptions {
        OneOrMore<int64_t> padding;
        std::string padding_mode = "constant";

        void visit(OptionVisitor& v) {
            v.required("padding", padding,
                       "pixels on each side, [left and right, top and bottom] or "
                       "[left, top, right, bottom]",
                       pixels_from(0));
            v.option("padding_mode", padding_mode, "what padding consists of", padding_choices());
            FillOptions::visit(v);
            v.rule([this] { return wrong_count("padding", padding, {1, 2, 4}); });
        }
    };

    explicit Pad(const Options& options) : options_(options) {}

    std::vector<Movement> movements(ImageSize size, Philox&) const override {
        return {padded_by(size, padding_of(options_.padding), options_.fill.values,
                          {options_.mask_fill}, padding_mode_of(options_.padding_mode))};
    }

  private:
    const Options options_;
};

AILAB_REGISTER_TRANSFORM(Pad, "Pixels around the image")

}  // namespace
}  // namespace ailab
