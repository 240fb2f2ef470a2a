// Losses that want a margin between right and wrong.
#include "class_loss.hpp"
#include "reduced_loss.hpp"

namespace ailab {
namespace {

struct MarginOptions : ReductionOption {
    double margin;
    explicit MarginOptions(double default_margin) : margin(default_margin) {}
    void visit(OptionVisitor& v) {
        v.option("margin", margin, "how far right and wrong are to be apart");
        ReductionOption::visit(v);
    }
};

class HingeEmbeddingLoss final : public PairLoss {
  public:
    struct Options : MarginOptions {
        Options() : MarginOptions(1) {}
    };
    explicit HingeEmbeddingLoss(const Options& o)
        : PairLoss("HingeEmbeddingLoss", o.reduction), margin_(o.margin) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        check_signs(loss(), target);
        return at::hinge_embedding_loss(output, target, margin_, reduction());
    }

  private:
    const double margin_;
};

class SoftMarginLoss final : public PairLoss {
  public:
    using Options = ReductionOption;
    explicit SoftMarginLoss(const Options& o) : PairLoss("SoftMarginLoss", o.reduction) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        check_signs(loss(), target);
        return at::soft_margin_loss(output, target, reduction());
    }
};

class MarginRankingLoss final : public ReducedLoss {
  public:
    struct Options : MarginOptions {
        Options() : MarginOptions(0) {}
    };
    explicit MarginRankingLoss(const Options& o)
        : ReducedLoss("MarginRankingLoss", o.reduction), margin_(o.margin) {}

    std::vector<std::string> inputs() const override { return {"input1", "input2", "target"}; }

  protected:
    Tensor reduced(const Batch& inputs) override {
        const Tensor& input1 = inputs.tensor("input1");
        const Tensor input2 = fitting(loss(), input1, inputs.tensor("input2"), "input1", "input2");
        const Tensor target = fitting(loss(), input1, inputs.tensor("target"), "input1", "target");
        check_signs(loss(), target);
        return at::margin_ranking_loss(input1, input2, target, margin_, reduction());
    }

  private:
    const double margin_;
};

/// Throws Error unless output is [N, classes].
void check_classes(const char* loss, const Tensor& output, const Tensor& target) {
    if (output.dim() != 2)
        throw Error(concat(loss, ": output must be [N, classes], one score a class. Got output ",
                           c10::str(output.sizes()), " and target ", c10::str(target.sizes()),
                           "."));
}

/// Crammer and Singer 2001.
class MultiMarginLoss final : public ReducedLoss {
  public:
    struct Options : MarginOptions {
        int64_t p = 1;
        ClassWeights::List weight;
        Options() : MarginOptions(1) {}
        void visit(OptionVisitor& v) {
            v.option("p", p, "the power of what lacks to the margin", between(1, 2));
            v.option("weight", weight, "one factor a class", at_least(0));
            v.rule([this] { return ClassWeights::problem("weight", weight); });
            MarginOptions::visit(v);
        }
    };
    explicit MultiMarginLoss(const Options& options)
        : ReducedLoss("MultiMarginLoss", options.reduction),
          p_(options.p),
          margin_(options.margin),
          weight_("MultiMarginLoss", "weight", options.weight),
          targets_("MultiMarginLoss") {}

    std::optional<OutputKind> output_kind() const override { return OutputKind::class_scores; }

    Tensor forward(const Tensor& output, const Tensor& target) override {
        check_classes(loss(), output, target);
        const Tensor numbers = targets_.fit(output, target);
        const Tensor& weight = weight_.like(output);
        return targets_.guarded(output, numbers, [&] {
            return at::multi_margin_loss(output, numbers.to(at::kLong), p_, margin_, weight,
                                         reduction());
        });
    }

  protected:
    Tensor reduced(const Batch& inputs) override {
        return forward(inputs.tensor("output"), inputs.tensor("target"));
    }

  private:
    const int64_t p_;
    const double margin_;
    ClassWeights weight_;
    const ClassTargets targets_;
};

class MultiLabelMarginLoss final : public ReducedLoss {
  public:
    using Options = ReductionOption;
    explicit MultiLabelMarginLoss(const Options& o)
        : ReducedLoss("MultiLabelMarginLoss", o.reduction) {}

    /// target: [N, classes], the class numbers of a sample, then -1.
    Tensor forward(const Tensor& output, const Tensor& target) override {
        const Batch inputs{{"output", output}, {"target", target}};
        check_classes(loss(), output, target);
        check_one_shape(loss(), inputs, {"output", "target"});
        if (!at::isIntegralType(target.scalar_type(), /*includeBool=*/false))
            throw Error(
                concat("MultiLabelMarginLoss: target must hold class numbers (int64), "
                       "ended by -1.",
                       got(inputs)));
        return with_shapes(loss(), inputs, [&] {
            return at::multilabel_margin_loss(output, target.to(at::kLong), reduction());
        });
    }

  protected:
    Tensor reduced(const Batch& inputs) override {
        return forward(inputs.tensor("output"), inputs.tensor("target"));
    }
};

}  // namespace

AILAB_REGISTER_LOSS(HingeEmbeddingLoss,
                    "Distance of pairs that belong together (target 1), margin of others (-1)")
AILAB_REGISTER_LOSS(SoftMarginLoss, "log(1 + exp(-target output)), targets 1 and -1")
AILAB_REGISTER_LOSS(MarginRankingLoss,
                    "Ranking: input1 is to be above input2 (target 1) or below (-1)")
AILAB_REGISTER_LOSS(MultiMarginLoss, "Hinge loss over classes: scores [N, classes], class numbers")
AILAB_REGISTER_LOSS(MultiLabelMarginLoss,
                    "Hinge loss over classes of which several are right: class numbers, then -1")

}  // namespace ailab
