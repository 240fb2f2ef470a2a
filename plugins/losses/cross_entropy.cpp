// Cross entropy and negative log-likelihood, with PyTorch's options.
#include "class_loss.hpp"

namespace ailab {
namespace {

class CrossEntropyLoss final : public ClassLoss {
  public:
    struct Options : ClassOptions {
        double label_smoothing = 0;
        void visit(OptionVisitor& v) {
            ClassOptions::visit(v);
            v.option("label_smoothing", label_smoothing,
                     "part of the target that is spread over all classes", between(0, 1));
        }
    };
    explicit CrossEntropyLoss(const Options& o)
        : ClassLoss("CrossEntropyLoss", o.weight, o.reduction, o.ignore_index),
          label_smoothing_(o.label_smoothing) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target, const Tensor& weight,
                   int64_t reduction) override {
        if (!is_dense(output, target))
            return at::cross_entropy_loss(output, target, weight, reduction, targets().ignored(),
                                          label_smoothing_);
        if (targets().ignores())
            throw Error(
                concat("CrossEntropyLoss: ignore_index is for targets that are class "
                       "numbers; these are probabilities. Got output ",
                       c10::str(output.sizes()), " and target ", c10::str(target.sizes()), "."));
        return at::cross_entropy_loss(output, target.to(output.scalar_type()), weight, reduction,
                                      targets().ignored(), label_smoothing_);
    }

    /// Probabilities of the classes, [N, classes, …].
    bool is_dense(const Tensor& output, const Tensor& target) const override {
        return target.is_floating_point() && output.dim() > 1 && target.sizes() == output.sizes();
    }

  private:
    const double label_smoothing_;
};

class NLLLoss final : public ClassLoss {
  public:
    using Options = ClassOptions;
    explicit NLLLoss(const Options& o)
        : ClassLoss("NLLLoss", o.weight, o.reduction, o.ignore_index) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target, const Tensor& weight,
                   int64_t reduction) override {
        return at::nll_loss_nd(output, target, weight, reduction, targets().ignored());
    }
};

}  // namespace

AILAB_REGISTER_LOSS(CrossEntropyLoss,
                    "Cross entropy of scores [N, classes, …] and class numbers or probabilities")
AILAB_REGISTER_LOSS(NLLLoss,
                    "Negative log-likelihood: log-probabilities [N, classes, …] and class "
                    "numbers")

}  // namespace ailab
