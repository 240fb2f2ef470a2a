#include "pixels/blur.hpp"

#include "option_types.hpp"
#include "options/limits.hpp"
#include "sample_image.hpp"

namespace ailab {
namespace {

class GaussianBlur final : public Transform {
  public:
    struct Options {
        OneOrMore<int64_t> kernel_size;
        OneOrMore<double> sigma = {0.1, 2.0};

        void visit(OptionVisitor& v) {
            v.required("kernel_size", kernel_size,
                       "pixels of the kernel, odd: of each side, or [width, height]",
                       pixels_from(1));
            v.option("sigma", sigma, "standard deviation in pixels, or [lowest, highest]",
                     above(0));
            v.rule([this]() -> std::string {
                for (const int64_t size : kernel_size.values)
                    if (size % 2 == 0) return "kernel_size must be odd";
                return wrong_count("kernel_size", kernel_size, {1, 2});
            });
            v.rule([this]() -> std::string {
                return sigma.size() == 1 ? "" : wrong_range("sigma", sigma.values);
            });
        }
    };

    explicit GaussianBlur(const Options& options) : options_(options) {}

    void apply(Sample& sample, Philox& random) const override {
        const double sigma = random.uniform(options_.sigma[0], options_.sigma[1]);
        change_pixels(sample, [&](const Tensor& image) {
            return image::gaussian_blur(image, options_.kernel_size[1], options_.kernel_size[0],
                                        sigma);
        });
    }

  private:
    const Options options_;
};

AILAB_REGISTER_TRANSFORM(GaussianBlur, "The image smoothed")

}  // namespace
}  // namespace ailab
