// Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. CutMix: Yun et al.,
// "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV
// 2019.
#include "pixels/mix.hpp"

#include <cmath>

#include "ailab/ailab.hpp"
#include "gamma.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

struct MixOptions {
    double alpha = 1;
    std::optional<int64_t> num_classes;

    void visit(OptionVisitor& v) {
        v.option("alpha", alpha, "the share is drawn from Beta(alpha, alpha)", above(0));
        v.option("num_classes", num_classes,
                 "number of classes; needed where targets are class numbers", size_from(1));
    }
};

/// Mixes each sample with the one before it, and their targets (the field "target", else "label"),
/// which become float [N, num_classes].
class Mix : public Transform {
  public:
    using Options = MixOptions;

    explicit Mix(const Options& options) : options_(options) {}

    bool by_batch() const final { return true; }

    void apply_batch(Batch& batch, const Batch& before, Philox random) const final {
        if (batch.size == 0) return;
        const std::string name = image_field(batch);
        Tensor images = batch.tensor(name);
        if (images.dim() != 4 || images.scalar_type() != at::kFloat)
            throw Error(concat("mixing takes float32 images of one size, [N, C, H, W]; there are: ",
                               batch.describe(), ". List Normalize or ToTensor before it"));
        if (const std::string field = field_on_image(batch); !field.empty())
            throw Error(concat("mixing images has no meaning for the field \"", field, "\""));
        // Where strides leave holes samples do not lie one after another.
        if (!images.is_non_overlapping_and_dense() ||
            images.stride(0) * images.size(0) != images.numel())
            images = images.contiguous();
        const double share = mix(images, before.tensor(name), random);
        const std::string target = batch.has("target") ? "target" : "label";
        Tensor targets = soft(batch.tensor(target));
        image::mix_with_previous(targets, soft(before.tensor(target)), share);
        batch.set(name, images);
        batch.set(target, targets);
    }

  private:
    virtual const char* name() const = 0;
    /// Mixes in place and returns the share of the sample itself.
    virtual double mix(Tensor& images, const Tensor& before, Philox& random) const = 0;

    /// One-hot, in memory of its own.
    Tensor soft(const Tensor& targets) const {
        if (targets.is_floating_point() && targets.dim() == 2)
            return targets.to(at::kFloat, false, true).contiguous();
        if (targets.dim() != 1 || targets.is_floating_point())
            throw Error(
                concat("mixing takes targets that are class numbers, [N], or float "
                       "[N, classes]; got ",
                       targets.dim(), " dimensions"));
        if (!options_.num_classes)
            throw Error(concat(name(),
                               ": the targets are class numbers; set num_classes to how many "
                               "classes there are"));
        const int64_t classes = *options_.num_classes;
        const int64_t low = targets.min().item<int64_t>(), high = targets.max().item<int64_t>();
        if (low < 0 || high >= classes)
            throw Error(
                low < 0 ? concat(name(), ": there is a target ", low,
                                 ", which is no class: what a loss ignores cannot be mixed")
                        : concat(name(), ": num_classes is ", classes, ", and there is a target ",
                                 high, ": it must be the number of classes, at least ", high + 1));
        return at::one_hot(targets.to(at::kLong), classes).to(at::kFloat);
    }

  protected:
    double draw_share(Philox& random) const { return dirichlet(2, options_.alpha, random)[0]; }

    const Options options_;
};

class Mixup final : public Mix {
  public:
    using Mix::Mix;

  private:
    const char* name() const override { return "Mixup"; }
    double mix(Tensor& images, const Tensor& before, Philox& random) const override {
        const double share = draw_share(random);
        image::mix_with_previous(images, before, share);
        return share;
    }
};

AILAB_REGISTER_TRANSFORM(Mixup, "Weighted means of samples and of their targets, by batch")
AILAB_REGISTER_AS(Transform, Mixup, "MixUp", "Mixup under torchvision's name")

class CutMix final : public Mix {
  public:
    using Mix::Mix;

  private:
    const char* name() const override { return "CutMix"; }
    double mix(Tensor& images, const Tensor& before, Philox& random) const override {
        const double share = draw_share(random);
        const int64_t height = images.size(2), width = images.size(3);
        const auto x = int64_t(random.below(uint64_t(width)));
        const auto y = int64_t(random.below(uint64_t(height)));
        const double half = 0.5 * std::sqrt(1 - share);
        const auto across = int64_t(half * double(width)), down = int64_t(half * double(height));
        const int64_t left = std::max<int64_t>(x - across, 0), right = std::min(x + across, width);
        const int64_t top = std::max<int64_t>(y - down, 0), bottom = std::min(y + down, height);
        const Region part = {top, left, bottom - top, right - left};
        image::paste_from_previous(images, before, part);
        return 1 - double(part.height * part.width) / double(height * width);
    }
};

AILAB_REGISTER_TRANSFORM(CutMix, "A part of each image is the one before's, by batch")

}  // namespace
}  // namespace ailab
