// Losses of yes-and-no outputs: each is a probability, or the score of one, by itself.
#include "class_weights.hpp"
#include "reduced_loss.hpp"

namespace ailab {
namespace {

/// As PyTorch's, a weight is no part of the mean's denominator.
struct WeightedOptions : ReductionOption {
    ClassWeights::List weight;
    void visit(OptionVisitor& v) {
        v.option("weight", weight, "one factor a class (dimension 1 of the output)", at_least(0));
        v.rule([this] { return ClassWeights::problem("weight", weight); });
        ReductionOption::visit(v);
    }
};

class BCELoss final : public PairLoss {
  public:
    using Options = WeightedOptions;
    explicit BCELoss(const Options& o)
        : PairLoss("BCELoss", o.reduction, OutputKind::label_probabilities),
          weight_("BCELoss", "weight", o.weight) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        Tensor weight = weight_.beside(output);
        if (weight.defined()) weight = weight.expand_as(output);
        try {
            return at::binary_cross_entropy(output, target, weight, reduction());
        } catch (const c10::Error&) {
            check_probabilities("output", output);
            check_probabilities("target", target);
            throw;
        }
    }

  private:
    static void check_probabilities(const char* name, const Tensor& values) {
        const Tensor bad =
            values.masked_select(values.ge(0).logical_and(values.le(1)).logical_not());
        if (bad.numel() == 0) return;
        throw Error(concat("BCELoss: ", name, " must be probabilities, 0 to 1; got ",
                           bad[0].item<double>(),
                           ". For scores without a sigmoid take BCEWithLogitsLoss."));
    }

    ClassWeights weight_;
};

class BCEWithLogitsLoss final : public PairLoss {
  public:
    struct Options : WeightedOptions {
        ClassWeights::List pos_weight;
        void visit(OptionVisitor& v) {
            WeightedOptions::visit(v);
            v.option("pos_weight", pos_weight, "the factor of the ones, one a class", at_least(0));
            v.rule([this]() -> std::string {
                return pos_weight && pos_weight->empty()
                           ? "pos_weight is empty: give one number a class, or leave it out"
                           : "";
            });
        }
    };
    explicit BCEWithLogitsLoss(const Options& o)
        : PairLoss("BCEWithLogitsLoss", o.reduction, OutputKind::label_scores),
          weight_("BCEWithLogitsLoss", "weight", o.weight),
          pos_weight_("BCEWithLogitsLoss", "pos_weight", o.pos_weight) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        check_yes_no(loss(), target);
        return at::binary_cross_entropy_with_logits(output, target, weight_.beside(output),
                                                    pos_weight_.beside(output), reduction());
    }

  private:
    ClassWeights weight_;
    ClassWeights pos_weight_;
};

/// The mean over the classes of BCEWithLogitsLoss, then over the samples.
class MultiLabelSoftMarginLoss final : public PairLoss {
  public:
    using Options = WeightedOptions;
    explicit MultiLabelSoftMarginLoss(const Options& o)
        : PairLoss("MultiLabelSoftMarginLoss", o.reduction, OutputKind::label_scores),
          weight_("MultiLabelSoftMarginLoss", "weight", o.weight) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        if (output.dim() != 2)
            throw Error(concat("MultiLabelSoftMarginLoss: output must be [N, classes]; got ",
                               c10::str(output.sizes())));
        check_yes_no(loss(), target);
        const Tensor each = at::binary_cross_entropy_with_logits(
            output, target, weight_.beside(output), {}, at::Reduction::None);
        return reduce(each.mean(1));
    }

  private:
    ClassWeights weight_;
};

}  // namespace

AILAB_REGISTER_LOSS(BCELoss, "Binary cross entropy of probabilities and targets of 0 to 1")
AILAB_REGISTER_LOSS(BCEWithLogitsLoss, "Binary cross entropy of scores and targets of 0 to 1")
AILAB_REGISTER_LOSS(MultiLabelSoftMarginLoss,
                    "Binary cross entropy of scores [N, classes] and targets of 0 to 1, averaged "
                    "over the classes")

}  // namespace ailab
