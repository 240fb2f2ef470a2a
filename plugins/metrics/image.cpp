// How near an image is to another one.
#include <algorithm>
#include <cmath>

#include "counting.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

/// In dB. Over all elements of the data set, or with `dim` the mean of the ratios of parts:
/// dim: [1, 2, 3] of each image.
class PeakSignalNoiseRatio final : public CountingMetric {
  public:
    struct Options {
        double data_range = 1;
        double base = 10;
        std::vector<int64_t> dim;
        void visit(OptionVisitor& v) {
            v.required("data_range", data_range,
                       "difference of the largest and the smallest possible value: 1 for images "
                       "from 0 to 1, 255 for bytes",
                       above(0));
            v.option("base", base, "base of the logarithm", above(1));
            v.option("dim", dim,
                     "dimensions over which the error is averaged before the logarithm is taken; "
                     "by default all, of all samples",
                     count_from(1));
        }
    };

    explicit PeakSignalNoiseRatio(const Options& options) : o_(options) {
        add_state("total", {}, at::kDouble);
        add_state("count", {}, at::kLong);
    }

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check_same_shape("PeakSignalNoiseRatio", output, target);
        const Tensor errors = (output.to(at::kDouble) - target.to(at::kDouble)).square();
        if (o_.dim.empty()) {
            add("total", stable_total(errors));
            return count("count", errors.numel());
        }
        const Tensor ratios = decibel(mean_over_dims(errors));
        add("total", stable_total(ratios));
        count("count", ratios.numel());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const Tensor mean = states.at("total") / states.at("count");  // 0 / 0 is NaN
        return {{"", (o_.dim.empty() ? decibel(mean) : mean).item<double>()}};
    }

  private:
    Tensor decibel(const Tensor& error) const {
        return (2 * std::log(o_.data_range) - error.log()) * (10 / std::log(o_.base));
    }

    Tensor mean_over_dims(const Tensor& errors) const {
        std::vector<int64_t> order, kept;
        int64_t elements = 1;
        for (int64_t d = 0; d < errors.dim(); ++d) {
            if (std::find(o_.dim.begin(), o_.dim.end(), d) != o_.dim.end()) continue;
            order.push_back(d);
            kept.push_back(errors.size(d));
        }
        for (const int64_t d : o_.dim) {
            if (d >= errors.dim())
                throw Error(concat("PeakSignalNoiseRatio: dim names ", d,
                                   ", but the images have the shape ", c10::str(errors.sizes())));
            order.push_back(d);
            elements *= errors.size(d);
        }
        kept.push_back(elements);
        return stable_sum(errors.permute(order).reshape(kept)) / double(elements);
    }

    const Options o_;
};

/// The mean over the images of their structural similarity (Wang, Bovik, Sheikh and Simoncelli,
/// "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004), as
/// torchmetrics: images are continued by reflection, and the window is 7 standard deviations wide.
/// output, target: [N, C, H, W].
class StructuralSimilarityIndexMeasure final : public CountingMetric {
  public:
    struct Options {
        double data_range = 1;
        bool gaussian_kernel = true;
        double sigma = 1.5;
        int64_t kernel_size = 11;
        double k1 = 0.01;
        double k2 = 0.03;
        void visit(OptionVisitor& v) {
            v.required("data_range", data_range,
                       "difference of the largest and the smallest possible value: 1 for images "
                       "from 0 to 1, 255 for bytes",
                       above(0));
            v.option("gaussian_kernel", gaussian_kernel,
                     "the window: a Gaussian of `sigma`, or all alike over `kernel_size`");
            v.option("sigma", sigma, "standard deviation of the Gaussian, in pixels",
                     {.min = 0, .max = 1000, .exclusive_min = true});
            v.option("kernel_size", kernel_size, "side of the window that is no Gaussian, odd",
                     between(1, 1001));
            v.option("k1", k1, "keeps the luminance term stable", at_least(0));
            v.option("k2", k2, "keeps the contrast term stable", at_least(0));
            v.rule([this] {
                return kernel_size % 2 == 1 ? std::string()
                                            : concat("kernel_size must be odd, got ", kernel_size);
            });
        }
    };

    explicit StructuralSimilarityIndexMeasure(const Options& options)
        : o_(options), window_(make_window(options)) {
        add_state("total", {}, at::kDouble);
        add_state("images", {}, at::kLong);
    }

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check_same_shape(name, output, target);
        const int64_t margin = int64_t(window_.size()) / 2;
        if (output.dim() != 4 || output.size(2) <= margin || output.size(3) <= margin)
            throw Error(concat(name, ": expected images [N, C, H, W] of more than ", margin,
                               " pixels a side (half the window); got ", describe(output, target)));
        add("total", stable_total(of_images(output.to(at::kDouble), target.to(at::kDouble))));
        count("images", output.size(0));
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        return {{"", states.at("total").item<double>() /
                         double(states.at("images").item<int64_t>())}};  // 0 / 0 is NaN
    }

  private:
    static constexpr const char* name = "StructuralSimilarityIndexMeasure";

    static std::vector<double> make_window(const Options& o) {
        if (!o.gaussian_kernel)
            return std::vector<double>(size_t(o.kernel_size), 1 / double(o.kernel_size));
        const auto half = int64_t(3.5 * o.sigma + 0.5);
        std::vector<double> window;
        double sum = 0;
        for (int64_t i = -half; i <= half; ++i) {
            window.push_back(std::exp(-double(i * i) / (2 * o.sigma * o.sigma)));
            sum += window.back();
        }
        for (double& weight : window) weight /= sum;
        return window;
    }

    /// The window's weighted mean along a dimension. Product and sum are rounded apart, and each
    /// pixel for itself, so that no division of the work shows in the last bit.
    Tensor slide(const Tensor& images, int64_t dim) const {
        const int64_t length = images.size(dim) - int64_t(window_.size()) + 1;
        Tensor mean = images.narrow(dim, 0, length) * window_[0];
        for (size_t i = 1; i < window_.size(); ++i)
            mean.add_(images.narrow(dim, int64_t(i), length) * window_[i]);
        return mean;
    }
    Tensor smooth(const Tensor& images) const { return slide(slide(images, 2), 3); }

    /// [N, C, H, W] to [N].
    Tensor of_images(const Tensor& output, const Tensor& target) const {
        const auto margin = int64_t(window_.size()) / 2;
        const std::vector<int64_t> around(4, margin);
        const Tensor x = at::reflection_pad2d(output, around);
        const Tensor y = at::reflection_pad2d(target, around);
        const Tensor mean_x = smooth(x), mean_y = smooth(y);
        const Tensor mean_xy = mean_x * mean_y;
        const Tensor square_x = mean_x.square(), square_y = mean_y.square();
        const Tensor variance_x = (smooth(x.square()) - square_x).clamp_min(0);
        const Tensor variance_y = (smooth(y.square()) - square_y).clamp_min(0);
        const Tensor covariance = smooth(x * y) - mean_xy;
        const double c1 = std::pow(o_.k1 * o_.data_range, 2);
        const double c2 = std::pow(o_.k2 * o_.data_range, 2);
        const Tensor similarity = (mean_xy * 2 + c1) * (covariance * 2 + c2) /
                                  ((square_x + square_y + c1) * (variance_x + variance_y + c2));
        const Tensor pixels = similarity.reshape({output.size(0), -1});
        return stable_sum(pixels) / double(pixels.size(1));
    }

    const Options o_;
    const std::vector<double> window_;
};

}  // namespace

AILAB_REGISTER_METRIC(PeakSignalNoiseRatio, "Peak signal-to-noise ratio in dB")
AILAB_REGISTER_METRIC(StructuralSimilarityIndexMeasure, "Structural similarity of images, -1 to 1")

}  // namespace ailab
