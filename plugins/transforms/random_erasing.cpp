#include <cmath>

#include "option_types.hpp"
#include "pixels/erase.hpp"
#include "sample_image.hpp"

namespace ailab {

/// A number, one a channel, or "random".
struct EraseValue {
    OneOrMore<double> numbers = 0.0;
    bool random = false;
};

template <>
struct OptionType<EraseValue> {
    static OptionSchema schema() {
        OptionSchema schema = OptionType<OneOrMore<double>>::schema();
        schema.parts.push_back(OptionSchema::of(OptionSchema::Kind::string, one_of({"random"})));
        return schema;
    }
    static void read(const Node& node, EraseValue& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        field.random = node.is_string() && node.as_string() == "random";
        if (field.random) return;
        if (node.is_string())
            detail::wrong_type(node, name, schema(), problems);
        else
            OptionType<OneOrMore<double>>::read(node, field.numbers, bounds, name, problems);
    }
    static Node write(const EraseValue& field) {
        return field.random ? Node::string("random")
                            : OptionType<OneOrMore<double>>::write(field.numbers);
    }
};

namespace {

class RandomErasing final : public Transform {
  public:
    struct Options {
        double p = 0.5;
        std::vector<double> scale = {0.02, 0.33};
        std::vector<double> ratio = {0.3, 3.3};
        EraseValue value;

        void visit(OptionVisitor& v) {
            v.option("p", p, "probability", between(0, 1));
            v.option("scale", scale, "the part's share of the image's area: lowest, highest",
                     between(0, 1));
            v.option("ratio", ratio, "the part's height over its width: lowest, highest", above(0));
            v.option("value", value,
                     "what the part is filled with: a number, one a channel, or \"random\" (normal "
                     "numbers, which need a float image)");
            v.rule([this] { return wrong_range("scale", scale); });
            v.rule([this] { return wrong_range("ratio", ratio); });
            v.rule([this] { return wrong_count("value", value.numbers, {1, 3}); });
        }
    };

    explicit RandomErasing(const Options& options) : options_(options) {}

    void apply(Sample& sample, Philox& random) const override {
        if (!random.chance(options_.p)) return;
        Tensor& image = pixels_of(sample);
        const std::optional<Region> part = part_of(image::size_of(image), random);
        if (!part) return;
        const Tensor value = value_for(image, *part, random);
        // Pixels may be those of a dataset in memory.
        if (image.use_count() > 1 || image.storage().use_count() > 1) image = image.clone();
        image::erase(image, *part, value);
    }

  private:
    /// Ten tries at a part that leaves something of the image.
    std::optional<Region> part_of(image::Size size, Philox& random) const {
        const double area = double(size.height) * double(size.width);
        for (int tries = 0; tries < 10; ++tries) {
            const double part = area * random.uniform(options_.scale[0], options_.scale[1]);
            const double ratio =
                std::exp(random.uniform(std::log(options_.ratio[0]), std::log(options_.ratio[1])));
            const auto height = int64_t(std::nearbyint(std::sqrt(part * ratio)));
            const auto width = int64_t(std::nearbyint(std::sqrt(part / ratio)));
            if (height >= size.height || width >= size.width) continue;
            const auto top = int64_t(random.below(uint64_t(size.height - height + 1)));
            const auto left = int64_t(random.below(uint64_t(size.width - width + 1)));
            return Region{top, left, height, width};
        }
        return {};
    }

    Tensor value_for(const Tensor& image, const Region& part, Philox& random) const {
        if (!options_.value.random)
            return at::tensor(image::fill_of(options_.value.numbers.values, image), at::kDouble)
                .view({-1, 1, 1});
        if (image.scalar_type() == at::kByte)
            throw Error(
                "RandomErasing by random values needs a float image: list it after ToTensor or "
                "Normalize");
        Tensor value = at::empty({image.size(0), part.height, part.width}, at::kFloat);
        auto* values = value.mutable_data_ptr<float>();
        for (int64_t i = 0; i < value.numel(); ++i) values[i] = float(random.normal());
        return value;
    }

    const Options options_;
};

AILAB_REGISTER_TRANSFORM(RandomErasing, "A part of the image overwritten")

}  // namespace
}  // namespace ailab
