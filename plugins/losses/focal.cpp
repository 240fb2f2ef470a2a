// Focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection"): cross entropy with the
// well classified samples weighed down by (1 - p)^gamma, p being the target's probability.
#include <algorithm>

#include "class_loss.hpp"
#include "reduced_loss.hpp"

namespace ailab {
namespace {

/// One number, or one a class.
struct Alpha {
    std::vector<double> values;
};

/// (1 - p)^gamma of `rest` = 1 - p; away from 0, where a gamma below 1 has no gradient.
Tensor focus(const Tensor& rest, double gamma) {
    return rest.clamp_min(1e-30).pow(gamma);
}

}  // namespace

template <>
struct OptionType<Alpha> {
    static OptionSchema schema() {
        const OptionSchema one = OptionType<double>::schema();
        return OptionSchema::either_of({one, OptionSchema::list_of(one)});
    }
    static void read(const Node& node, Alpha& field, const Bounds& bounds, const std::string& name,
                     Problems& problems) {
        if (node.is_list()) {
            OptionType<std::vector<double>>::read(node, field.values, bounds, name, problems);
        } else {
            field.values.assign(1, 0);
            OptionType<double>::read(node, field.values[0], bounds, name, problems);
        }
    }
    static Node write(const Alpha& field) {
        return field.values.size() == 1 ? OptionType<double>::write(field.values[0])
                                        : OptionType<std::vector<double>>::write(field.values);
    }
};

namespace {

class FocalLoss final : public ClassLoss {
  public:
    struct Options {
        std::string activation = "softmax";
        double gamma = 2;
        std::optional<Alpha> alpha;
        std::string reduction = "mean";
        std::optional<int64_t> ignore_index;
        void visit(OptionVisitor& v) {
            v.option("activation", activation,
                     "softmax: one class of many, targets are class numbers [N, …]; sigmoid: each "
                     "output by itself, targets of 0 to 1 in the output's shape",
                     one_of({"softmax", "sigmoid"}));
            v.option("gamma", gamma, "how much the well classified are weighed down", at_least(0));
            v.option("alpha", alpha,
                     "softmax: the factor of all classes, or of each (default 1); sigmoid: the "
                     "factor of the ones, 1 - alpha that of the zeros (default 0.25), or -1 for "
                     "neither",
                     at_least(-1));
            v.option("reduction", reduction, "mean over the targets that count, or sum",
                     one_of({"mean", "sum"}));
            v.option("ignore_index", ignore_index, "softmax: targets of this class do not count");
            v.rule(
                [this] { return activation == "sigmoid" ? sigmoid_problem() : softmax_problem(); });
        }
        std::string sigmoid_problem() const {
            if (ignore_index) return "ignore_index is for activation: softmax";
            if (!alpha) return "";
            const std::vector<double>& values = alpha->values;
            return values.size() == 1 && (values[0] == -1 || (values[0] >= 0 && values[0] <= 1))
                       ? ""
                       : "alpha is one number, 0 to 1 or -1, with activation: sigmoid";
        }
        std::string softmax_problem() const {
            if (!alpha) return "";
            if (std::ranges::any_of(alpha->values, [](double value) { return value < 0; }))
                return "alpha must be at least 0 with activation: softmax";
            return ClassWeights::problem("alpha", alpha->values);
        }
    };

    explicit FocalLoss(const Options& o)
        // alpha is no part of the mean's denominator.
        : ClassLoss("FocalLoss", std::nullopt, o.reduction, o.ignore_index),
          is_sigmoid_(o.activation == "sigmoid"),
          gamma_(o.gamma),
          alpha_(!o.alpha                      ? (is_sigmoid_ ? 0.25 : 1)
                 : o.alpha->values.size() == 1 ? o.alpha->values[0]
                                               : 1),
          class_alpha_("FocalLoss", "alpha",
                       o.alpha && o.alpha->values.size() != 1 ? ClassWeights::List(o.alpha->values)
                                                              : std::nullopt) {}

    std::optional<OutputKind> output_kind() const override {
        return is_sigmoid_ ? OutputKind::label_scores : OutputKind::class_scores;
    }

  protected:
    Tensor compare(const Tensor& output, const Tensor& target, const Tensor&,
                   int64_t reduction) override {
        const bool is_mean = reduction == at::Reduction::Mean;
        if (is_sigmoid_) {
            const Tensor truth = fitting(loss(), output, target);
            check_yes_no(loss(), truth);
            const Tensor each = by_sigmoid(output, truth);
            return is_mean ? each.mean() : each.sum();
        }
        const Tensor sum = by_softmax(output, target).sum();
        return is_mean ? sum / counted(output, target) : sum;
    }

    bool is_dense(const Tensor&, const Tensor&) const override { return is_sigmoid_; }

  private:
    Tensor by_sigmoid(const Tensor& output, const Tensor& target) const {
        const Tensor p = output.sigmoid();
        const Tensor entropy =
            at::binary_cross_entropy_with_logits(output, target, {}, {}, at::Reduction::None);
        const Tensor rest = 1 - (p * target + (1 - p) * (1 - target));
        const Tensor each = entropy * focus(rest, gamma_);
        return alpha_ < 0 ? each : each * (alpha_ * target + (1 - alpha_) * (1 - target));
    }

    Tensor by_softmax(const Tensor& output, const Tensor& target) {
        const Tensor classes = targets().classes(target);
        const Tensor log_p = output.log_softmax(1).gather(1, classes.unsqueeze(1)).squeeze(1);
        Tensor each = log_p * focus(-log_p.expm1(), gamma_) * -alpha_;
        if (class_alpha_) each = each * class_alpha_.like(output).index({classes});
        return targets().ignores() ? each * targets().counts(target) : each;
    }

    const bool is_sigmoid_;
    const double gamma_;
    const double alpha_;
    ClassWeights class_alpha_;
};

}  // namespace

AILAB_REGISTER_LOSS(FocalLoss,
                    "Focal loss (Lin et al. 2017), over classes (class numbers [N, …]) or over "
                    "yes-and-no outputs (targets of 0 to 1)")

}  // namespace ailab
