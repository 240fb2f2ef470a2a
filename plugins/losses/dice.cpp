// Soft Dice loss of segmentations (Milletari et al. 2016; here with plain sums in the denominator).
#include "class_loss.hpp"
#include "reduced_loss.hpp"

namespace ailab {
namespace {

/// The mean over the samples of 1 - 2 |p g| / (|p| + |g|), averaged over the classes. It is taken
/// sample by sample, so that a batch may be split.
class DiceLoss final : public ReducedLoss {
  public:
    struct Options {
        std::string activation = "softmax";
        double smooth = 1;
        std::optional<int64_t> ignore_index;
        std::string reduction = "mean";
        void visit(OptionVisitor& v) {
            v.option("activation", activation,
                     "softmax: one class of many, targets are class numbers [N, …]; sigmoid: each "
                     "output by itself, targets of 0 to 1 in the output's shape",
                     one_of({"softmax", "sigmoid"}));
            v.option("smooth", smooth,
                     "added to numerator and denominator: a class that is nowhere counts as right",
                     above(0));
            v.option("ignore_index", ignore_index, "pixels of this target do not count");
            v.option("reduction", reduction, "mean over the samples, or sum",
                     one_of({"mean", "sum"}));
        }
    };
    explicit DiceLoss(const Options& o)
        : ReducedLoss("DiceLoss", o.reduction),
          is_sigmoid_(o.activation == "sigmoid"),
          smooth_(o.smooth),
          targets_("DiceLoss", o.ignore_index) {}

    std::optional<OutputKind> output_kind() const override {
        return is_sigmoid_ ? OutputKind::label_scores : OutputKind::class_scores;
    }

    /// output: scores [N, classes, …]; target: [N, …] class numbers, or with activation: sigmoid
    /// [N, classes, …].
    Tensor forward(const Tensor& output, const Tensor& target) override {
        if (is_sigmoid_) {
            if (output.dim() < 2)
                throw Error(concat("DiceLoss: output must be [N, classes, …]. Got output ",
                                   c10::str(output.sizes()), " and target ",
                                   c10::str(target.sizes()), "."));
            const Tensor truth = fitting(loss(), output, target);
            const Tensor counts = targets_.ignores() ? truth.ne(targets_.ignored()) : Tensor();
            check_yes_no(loss(), counts.defined() ? truth * counts : truth);
            return dice(output.sigmoid(), truth, counts);
        }
        const Tensor numbers = targets_.fit(output, target);
        return targets_.guarded(output, numbers, [&] {
            const Tensor truth =
                at::zeros_like(output).scatter_(1, targets_.classes(numbers).unsqueeze(1), 1);
            return dice(output.softmax(1), truth, targets_.counts(numbers).unsqueeze(1));
        });
    }

  protected:
    Tensor reduced(const Batch& inputs) override {
        return forward(inputs.tensor("output"), inputs.tensor("target"));
    }

  private:
    /// p, truth: [N, classes, …]; counts: bool, the same or with 1 for the classes.
    Tensor dice(Tensor p, Tensor truth, const Tensor& counts) const {
        if (targets_.ignores()) {
            p = p * counts;
            truth = truth * counts;
        }
        const auto over_pixels = [](const Tensor& each) {
            return each.dim() == 2 ? each : each.flatten(2).sum(2);
        };
        const Tensor both = over_pixels(p * truth);
        const Tensor sizes = over_pixels(p + truth);
        return reduce((1 - (2 * both + smooth_) / (sizes + smooth_)).mean(1));
    }

    const bool is_sigmoid_;
    const double smooth_;
    const ClassTargets targets_;
};

}  // namespace

AILAB_REGISTER_LOSS(DiceLoss,
                    "Soft Dice loss of a segmentation, the mean over the samples: class numbers "
                    "[N, …], or targets of 0 to 1 in the output's shape")

}  // namespace ailab
