// Losses of the difference of output and target.
#include "reduced_loss.hpp"

namespace ailab {
namespace {

class MSELoss final : public PairLoss {
  public:
    using Options = ReductionOption;
    explicit MSELoss(const Options& o) : PairLoss("MSELoss", o.reduction, OutputKind::values) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        return at::mse_loss(output, target, reduction());
    }
};

class L1Loss final : public PairLoss {
  public:
    using Options = ReductionOption;
    explicit L1Loss(const Options& o) : PairLoss("L1Loss", o.reduction, OutputKind::values) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        return at::l1_loss(output, target, reduction());
    }
};

/// Girshick 2015 (Fast R-CNN); with beta 0 it is L1Loss.
class SmoothL1Loss final : public PairLoss {
  public:
    struct Options : ReductionOption {
        double beta = 1;
        void visit(OptionVisitor& v) {
            v.option("beta", beta, "below this difference the loss is a square, divided by beta",
                     at_least(0));
            ReductionOption::visit(v);
        }
    };
    explicit SmoothL1Loss(const Options& o)
        : PairLoss("SmoothL1Loss", o.reduction, OutputKind::values), beta_(o.beta) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        return at::smooth_l1_loss(output, target, reduction(), beta_);
    }

  private:
    const double beta_;
};

/// Huber 1964.
class HuberLoss final : public PairLoss {
  public:
    struct Options : ReductionOption {
        double delta = 1;
        void visit(OptionVisitor& v) {
            v.option("delta", delta, "below this difference the loss is a square", above(0));
            ReductionOption::visit(v);
        }
    };
    explicit HuberLoss(const Options& o)
        : PairLoss("HuberLoss", o.reduction, OutputKind::values), delta_(o.delta) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        return at::huber_loss(output, target, reduction(), delta_);
    }

  private:
    const double delta_;
};

}  // namespace

AILAB_REGISTER_LOSS(MSELoss, "Mean squared error of output and target")
AILAB_REGISTER_LOSS(L1Loss, "Mean absolute error of output and target")
AILAB_REGISTER_LOSS(SmoothL1Loss, "Squared below beta, absolute above; scaled by 1/beta")
AILAB_REGISTER_LOSS(HuberLoss, "Squared below delta, absolute above")

}  // namespace ailab
