#include "pixels/color.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class Grayscale final : public Transform {
  public:
    struct Options {
        int64_t num_output_channels = 1;

        void visit(OptionVisitor& v) {
            v.option("num_output_channels", num_output_channels, "1, or 3 equal ones",
                     between(1, 3));
            v.rule([this] {
                return num_output_channels == 2 ? "num_output_channels must be 1 or 3" : "";
            });
        }
    };

    explicit Grayscale(const Options& options) : channels_(options.num_output_channels) {}

    void apply(Sample& sample, Philox&) const override {
        change_pixels(sample,
                      [this](const Tensor& image) { return image::grayscale(image, channels_); });
    }

  private:
    const int64_t channels_;
};

AILAB_REGISTER_TRANSFORM(Grayscale, "The image without color")

class RandomGrayscale final : public Transform {
  public:
    struct Options {
        double p = 0.1;

        void visit(OptionVisitor& v) { v.option("p", p, "probability", between(0, 1)); }
    };

    explicit RandomGrayscale(const Options& options) : p_(options.p) {}

    void apply(Sample& sample, Philox& random) const override {
        if (!random.chance(p_)) return;
        change_pixels(sample,
                      [](const Tensor& image) { return image::grayscale(image, image.size(0)); });
    }

  private:
    const double p_;
};

AILAB_REGISTER_TRANSFORM(RandomGrayscale, "The image without color, in as many channels")

}  // namespace
}  // namespace ailab
