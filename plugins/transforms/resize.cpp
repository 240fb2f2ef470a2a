#include "option_types.hpp"
#include "options/limits.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class Resize final : public GeometricTransform {
  public:
    struct Options {
        OneOrMore<int64_t> size;
        std::string interpolation = "bilinear";
        std::optional<int64_t> max_size;
        bool antialias = true;

        void visit(OptionVisitor& v) {
            v.required("size", size, "pixels of the shorter side, or [height, width]",
                       pixels_from(1));
            v.option("interpolation", interpolation, "how pixels between pixels are found",
                     resize_choices());
            v.option("max_size", max_size, "the longer side becomes no longer than this",
                     pixels_from(1));
            v.option("antialias", antialias, "smooth what becomes smaller");
            v.rule([this]() -> std::string {
                if (!max_size) return wrong_count("size", size, {1, 2});
                if (size.size() != 1) return "max_size goes with a size that is one number";
                return *max_size > size[0] ? "" : "max_size must be above size";
            });
        }
    };

    explicit Resize(const Options& options)
        : options_(options), interpolation_(interpolation_of(options.interpolation)) {}

    std::vector<Movement> movements(ImageSize old, Philox&) const override {
        const image::Size size = options_.size.size() == 2
                                     ? size_of(options_.size)
                                     : image::resized(old, options_.size[0], options_.max_size);
        if (size.height < 1 || size.width < 1)
            throw Error(
                concat("Resize would make an image of ", old.str(), " pixels one of ", size.str()));
        return {movement(
            Geometry::resize(old, size),
            [this, size](const Tensor& image) {
                return image::resize(image, size, interpolation_, options_.antialias);
            },
            [size](const Tensor& mask) { return image::resize_nearest(mask, size); })};
    }

  private:
    const Options options_;
    const image::Interpolation interpolation_;
};

AILAB_REGISTER_TRANSFORM(Resize, "Resizes the image")

}  // namespace
}  // namespace ailab
