// Cross entropy and negative log-likelihood, with PyTorch's options.
#include "class_loss.hpp"
#include "reduced_loss.hpp"

namespace ailab {
namespace {

class CrossEntropyLoss final : public ClassLoss {
  public:
    struct Options : ClassLossOptions {
        double label_smoothing = 0;
        void visit(OptionVisitor& v) {
            ClassLossOptions::visit(v);
            v.option("label_smoothing", label_smoothing,
                     "part of the target that is spread over all classes", between(0, 1));
        }
    };
    explicit CrossEntropyLoss(const Options& o)
        : ClassLoss("CrossEntropyLoss", o), label_smoothing_(o.label_smoothing) {}

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
        check_range(loss(), target, 0, 1, "class numbers, or probabilities from 0 to 1");
        return at::cross_entropy_loss(output, target.to(output.scalar_type()), weight, reduction,
                                      targets().ignored(), label_smoothing_);
    }

    /// Probabilities of the classes, in the output's shape.
    bool is_dense(const Tensor& output, const Tensor& target) const override {
        return target.is_floating_point() && output.dim() > 1 && target.sizes() == output.sizes();
    }

  private:
    const double label_smoothing_;
};

class NLLLoss final : public ClassLoss {
  public:
    using Options = ClassLossOptions;
    explicit NLLLoss(const Options& o) : ClassLoss("NLLLoss", o) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target, const Tensor& weight,
                   int64_t reduction) override {
        return at::nll_loss_nd(output, target, weight, reduction, targets().ignored());
    }
};

}  // namespace

AILAB_REGISTER_LOSS(CrossEntropyLoss,
                    "Cross entropy of scores [N, classes, …] and class numbers [N, …], or "
                    "probabilities in the scores' shape")
AILAB_REGISTER_LOSS(NLLLoss,
                    "Negative log-likelihood: log-probabilities [N, classes, …] and class "
                    "numbers [N, …]")

}  // namespace ailab
