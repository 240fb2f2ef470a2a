#include <cmath>

#include "option_types.hpp"
#include "options/limits.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class RandomResizedCrop final : public GeometricTransform {
  public:
    struct Options {
        OneOrMore<int64_t> size;
        std::vector<double> scale = {0.08, 1.0};
        std::vector<double> ratio = {3.0 / 4.0, 4.0 / 3.0};
        std::string interpolation = "bilinear";
        bool antialias = true;

        void visit(OptionVisitor& v) {
            v.required("size", size, "pixels of each side, or [height, width]", pixels_from(1));
            v.option("scale", scale, "the part's share of the image's area: lowest, highest",
                     at_least(0));
            v.option("ratio", ratio, "the part's width over its height: lowest, highest", above(0));
            v.option("interpolation", interpolation, "how pixels between pixels are found",
                     resize_choices());
            v.option("antialias", antialias, "smooth what becomes smaller");
            v.rule([this] { return wrong_count("size", size, {1, 2}); });
            v.rule([this] { return wrong_range("scale", scale); });
            v.rule([this] { return wrong_range("ratio", ratio); });
        }
    };

    explicit RandomResizedCrop(const Options& options)
        : options_(options),
          size_(size_of(options.size)),
          interpolation_(interpolation_of(options.interpolation)) {}

    std::vector<Movement> movements(ImageSize size, Philox& random) const override {
        const Region part = part_of(size, random);
        Movement moved = movement(
            Geometry::crop(size, part).then(Geometry::resize({part.height, part.width}, size_)),
            [this](const Tensor& image) {
                return image::resize(image, size_, interpolation_, options_.antialias);
            },
            [this](const Tensor& mask) { return image::resize_nearest(mask, size_); });
        moved.part = part;
        return {std::move(moved)};
    }

  private:
    /// Ten tries at a part of that area and ratio; then the largest part in the middle whose ratio
    /// is allowed.
    Region part_of(image::Size size, Philox& random) const {
        const double area = double(size.height) * double(size.width);
        const double low = options_.ratio[0], high = options_.ratio[1];
        for (int tries = 0; tries < 10; ++tries) {
            const double part = area * random.uniform(options_.scale[0], options_.scale[1]);
            const double ratio = std::exp(random.uniform(std::log(low), std::log(high)));
            const auto width = int64_t(std::nearbyint(std::sqrt(part * ratio)));
            const auto height = int64_t(std::nearbyint(std::sqrt(part / ratio)));
            if (width < 1 || width > size.width || height < 1 || height > size.height) continue;
            const auto top = int64_t(random.below(uint64_t(size.height - height + 1)));
            const auto left = int64_t(random.below(uint64_t(size.width - width + 1)));
            return {top, left, height, width};
        }
        Region whole = {0, 0, size.height, size.width};
        const double ratio = double(size.width) / double(size.height);
        if (ratio < low) whole.height = int64_t(std::nearbyint(double(size.width) / low));
        if (ratio > high) whole.width = int64_t(std::nearbyint(double(size.height) * high));
        // An image a pixel wide or high leaves no such part.
        whole.height = std::clamp<int64_t>(whole.height, 1, size.height);
        whole.width = std::clamp<int64_t>(whole.width, 1, size.width);
        whole.top = (size.height - whole.height) / 2;
        whole.left = (size.width - whole.width) / 2;
        return whole;
    }

    const Options options_;
    const image::Size size_;
    const image::Interpolation interpolation_;
};

AILAB_REGISTER_TRANSFORM(RandomResizedCrop, "A part of the image of any size, resized")

}  // namespace
}  // namespace ailab
