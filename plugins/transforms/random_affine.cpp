#include "pixels/affine.hpp"

#include "option_types.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

struct AffineOptions : FillOptions {
    OneOrMore<double> degrees;
    std::string interpolation = "nearest";
    std::optional<std::vector<double>> center;

    void visit(OptionVisitor& v) {
        v.required("degrees", degrees, "of the turn: -degrees ... degrees, or [lowest, highest]");
        v.option("interpolation", interpolation, "how pixels between pixels are found",
                 affine_choices());
        v.option("center", center, "about which it turns: [x, y] in pixels; null: the image's");
        FillOptions::visit(v);
        v.rule([this] { return wrong_degrees("degrees", degrees); });
        v.rule([this] { return center ? wrong_count("center", *center, {2}) : ""; });
    }

    static std::string wrong_degrees(const std::string& name, const OneOrMore<double>& value) {
        if (value.size() == 1) return value[0] >= 0 ? "" : name + " must not be negative";
        return wrong_range(name, value.values);
    }

    image::Sampling image_sampling() const {
        return {interpolation_of(interpolation), fill.values};
    }
    image::Sampling mask_sampling() const {
        return {image::Interpolation::nearest, image::Fill{mask_fill}};
    }
    std::optional<image::Point> center_point() const {
        if (!center) return {};
        return image::Point{(*center)[0], (*center)[1]};
    }
};

double draw(const std::vector<double>& range, Philox& random) {
    return random.uniform(range[0], range[1]);
}

class RandomRotation final : public GeometricTransform {
  public:
    struct Options : AffineOptions {
        bool expand = false;

        void visit(OptionVisitor& v) {
            AffineOptions::visit(v);
            v.option("expand", expand,
                     "make the image as large as to hold what was turned about its center");
        }
    };

    explicit RandomRotation(const Options& options) : options_(options) {}

    std::vector<Movement> movements(ImageSize size, Philox& random) const override {
        const double angle = draw(symmetric_range(options_.degrees), random);
        const auto center = options_.center_point();
        const auto turn = [&](const image::Sampling& sampling) {
            return [=, expand = options_.expand](const Tensor& pixels) {
                return image::rotate(pixels, angle, expand, center, sampling);
            };
        };
        return {movement(image::rotation(size, angle, options_.expand, center),
                         turn(options_.image_sampling()), turn(options_.mask_sampling()))};
    }

  private:
    const Options options_;
};

AILAB_REGISTER_TRANSFORM(RandomRotation, "The image turned, counter-clockwise by positive degrees")

class RandomAffine final : public GeometricTransform {
  public:
    struct Options : AffineOptions {
        std::optional<std::vector<double>> translate;
        std::optional<std::vector<double>> scale;
        std::optional<OneOrMore<double>> shear;

        void visit(OptionVisitor& v) {
            AffineOptions::visit(v);
            v.option("translate", translate,
                     "the most that it moves: shares of [width, height]; null: none",
                     between(0, 1));
            v.option("scale", scale, "factor of the size: [lowest, highest]; null: 1", above(0));
            v.option("shear", shear,
                     "degrees: of x from -shear to shear, [lowest, highest], or those of x and of "
                     "y; null: 0");
            v.rule([this] { return translate ? wrong_count("translate", *translate, {2}) : ""; });
            v.rule([this] { return scale ? wrong_range("scale", *scale) : ""; });
            v.rule([this]() -> std::string {
                if (!shear || shear->size() == 4) return "";
                return shear->size() > 2 ? wrong_count("shear", *shear, {1, 2, 4})
                                         : wrong_degrees("shear", *shear);
            });
        }
    };

    explicit RandomAffine(const Options& options) : options_(options) {}

    std::vector<Movement> movements(ImageSize size, Philox& random) const override {
        const image::AffineParameters parameters = drawn(size, random);
        const auto move = [&](const image::Sampling& sampling) {
            return
                [=](const Tensor& pixels) { return image::affine(pixels, parameters, sampling); };
        };
        return {movement(image::affine_map(size, parameters), move(options_.image_sampling()),
                         move(options_.mask_sampling()))};
    }

  private:
    image::AffineParameters drawn(image::Size size, Philox& random) const {
        image::AffineParameters p;
        p.center = options_.center_point();
        p.angle = draw(symmetric_range(options_.degrees), random);
        if (options_.translate) {
            const double across = (*options_.translate)[0] * double(size.width);
            const double down = (*options_.translate)[1] * double(size.height);
            p.translate[0] = std::nearbyint(random.uniform(-across, across));
            p.translate[1] = std::nearbyint(random.uniform(-down, down));
        }
        if (options_.scale) p.scale = draw(*options_.scale, random);
        if (options_.shear) {
            const std::vector<double> range = symmetric_range(*options_.shear);
            p.shear[0] = random.uniform(range[0], range[1]);
            if (range.size() == 4) p.shear[1] = random.uniform(range[2], range[3]);
        }
        return p;
    }

    const Options options_;
};

AILAB_REGISTER_TRANSFORM(RandomAffine, "The image turned, moved, scaled and sheared")

}  // namespace
}  // namespace ailab
