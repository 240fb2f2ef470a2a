#include "pixels/channel_scale.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

/// Scales the image's channels; the last transform writes into the batch.
class Scaling : public Transform {
  public:
    void apply(Sample& sample, Philox&) const override {
        change_pixels(sample, [this](const Tensor& image) { return scale_for(image)(image); });
    }

    std::optional<FieldLayout> layout(const Sample& sample) const override {
        const std::string& field = image_field(sample);
        const auto* image = std::get_if<Tensor>(&sample.fields.at(field));
        // How many channels an image has that is not decoded, nobody knows.
        if (!image) return {};
        image::check_image(*image);
        return FieldLayout{field, image->sizes().vec(), at::kFloat};
    }

    void write(Sample& sample, Philox&, Tensor& out) const override {
        const Tensor& image = pixels_of(sample);
        scale_for(image).write(image, out);
        const std::string field = image_field(sample);
        sample.fields.erase(field);
    }

  private:
    virtual const image::ChannelScale& scale_for(const Tensor& image) const = 0;
};

class Normalize final : public Scaling {
  public:
    struct Options {
        std::vector<double> mean, std;

        void visit(OptionVisitor& v) {
            v.required("mean", mean, "of each channel, white being 1");
            v.required("std", std, "standard deviation of each channel", above(0));
            v.rule([this]() -> std::string {
                if (mean.size() != std.size())
                    return concat("mean has ", mean.size(), " numbers, std ", std.size());
                return mean.size() == 1 || mean.size() == 3
                           ? ""
                           : concat("mean takes 1 or 3 numbers, got ", mean.size());
            });
        }
    };

    explicit Normalize(const Options& options) : scale_(options.mean, options.std) {}

  private:
    const image::ChannelScale& scale_for(const Tensor& image) const override {
        if (image.size(0) != scale_.channels())
            throw Error(concat("Normalize has mean and std of ", scale_.channels(),
                               scale_.channels() == 1 ? " channel" : " channels",
                               ", the image has ", image.size(0)));
        return scale_;
    }

    const image::ChannelScale scale_;
};

AILAB_REGISTER_TRANSFORM(Normalize, "(image - mean) / std by channel; uint8 becomes 0 ... 1 before")

class ToTensor final : public Scaling {
  public:
    void apply(Sample& sample, Philox& random) const override {
        if (pixels_of(sample).scalar_type() == at::kByte) Scaling::apply(sample, random);
    }

  private:
    const image::ChannelScale& scale_for(const Tensor& image) const override {
        return image.size(0) == 1 ? gray_ : color_;
    }

    const image::ChannelScale gray_{{0}, {1}};
    const image::ChannelScale color_{{0, 0, 0}, {1, 1, 1}};
};

AILAB_REGISTER_TRANSFORM(ToTensor, "uint8 pixels become float32, 0 ... 1")

}  // namespace
}  // namespace ailab
