// Online hard example mining (Shrivastava et al. 2016), over the pixels of a segmentation.
#include <algorithm>

#include "class_loss.hpp"

namespace ailab {
namespace {

/// The mean of the cross entropy over the hard pixels: those above `thresh`, but at least
/// `min_kept`. Which are hard is decided on each rank among its own pixels, of which `min_kept` are
/// kept there; the mean is over what all ranks have kept. So, unlike other losses, its value
/// depends on how a batch is split.
class OHEMCrossEntropyLoss final : public Loss {
  public:
    struct Options {
        double thresh = 0.7;
        int64_t min_kept = 100000;
        int64_t ignore_index = 255;
        void visit(OptionVisitor& v) {
            v.option("thresh", thresh, "cross entropies above this one are hard", at_least(0));
            v.option("min_kept", min_kept,
                     "so many of a rank's pixels count at least, the hardest ones",
                     between(1, 1e12));
            v.option("ignore_index", ignore_index, "targets of this class do not count");
        }
    };
    explicit OHEMCrossEntropyLoss(const Options& options)
        : o(options), targets_("OHEMCrossEntropyLoss", options.ignore_index) {}

    std::optional<OutputKind> output_kind() const override { return OutputKind::class_scores; }
    bool has_own_weights() const override { return true; }

    /// output: [N, classes, …], target: [N, …] int64; 0 if all pixels are ignored.
    Tensor forward(const Tensor& output, const Tensor& target) override {
        const Tensor kept = hard(output, target);
        return kept.sum() / std::max<int64_t>(1, kept.numel());
    }

    std::vector<LossTerm> terms(const Batch& inputs) override {
        const Tensor kept = hard(inputs.tensor("output"), inputs.tensor("target"));
        LossTerm term{.name = "loss"};
        term.sum = kept.sum();
        term.weight = at::scalar_tensor(double(kept.numel()), at::kDouble);
        return {std::move(term)};
    }

  private:
    /// The cross entropies that count: [K].
    Tensor hard(const Tensor& output, const Tensor& target) const {
        const Tensor numbers = targets_.fit(output, target);
        return targets_.guarded(output, numbers, [&] {
            const Tensor each = at::cross_entropy_loss(output, numbers.to(at::kLong), {},
                                                       at::Reduction::None, o.ignore_index)
                                    .masked_select(targets_.counts(numbers));
            if (each.numel() <= o.min_kept) return each;
            const Tensor above = each.masked_select(each.gt(o.thresh));
            return above.numel() >= o.min_kept ? above : std::get<0>(each.topk(o.min_kept));
        });
    }

    const Options o;
    const ClassTargets targets_;
};

}  // namespace

AILAB_REGISTER_LOSS(OHEMCrossEntropyLoss,
                    "Cross entropy of the hard pixels of each rank (Shrivastava et al. 2016): "
                    "class numbers [N, …]")

}  // namespace ailab
