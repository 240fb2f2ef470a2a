#include "pixels/flip.hpp"

#include "sample_image.hpp"

namespace ailab {
namespace {

struct FlipOptions {
    double p = 0.5;

    void visit(OptionVisitor& v) { v.option("p", p, "probability", between(0, 1)); }
};

template <Tensor (*flip)(const Tensor&), Geometry (*geometry)(ImageSize)>
class RandomFlip : public GeometricTransform {
  public:
    using Options = FlipOptions;

    explicit RandomFlip(const Options& options) : p_(options.p) {}

    std::vector<Movement> movements(ImageSize size, Philox& random) const override {
        if (!random.chance(p_)) return {};
        return {movement(geometry(size), flip, flip)};
    }

  private:
    const double p_;
};

using RandomHorizontalFlip = RandomFlip<image::flip_horizontally, Geometry::flip_horizontally>;
using RandomVerticalFlip = RandomFlip<image::flip_vertically, Geometry::flip_vertically>;

AILAB_REGISTER_TRANSFORM(RandomHorizontalFlip, "Left and right changed")
AILAB_REGISTER_TRANSFORM(RandomVerticalFlip, "Top and bottom changed")

}  // namespace
}  // namespace ailab
