// Losses that compare output and target number by number.
#include "ailab/ailab.hpp"

namespace ailab {
namespace {

struct ReductionOption {
    std::string reduction = "mean";
    void visit(OptionVisitor& v) {
        v.option("reduction", reduction, "mean over all numbers, or sum", one_of({"mean", "sum"}));
    }
};

class ElementwiseLoss : public Loss {
  public:
    using Options = ReductionOption;
    explicit ElementwiseLoss(const Options& options) : mean_(options.reduction == "mean") {}

    Tensor forward(const Tensor& output, const Tensor& target) override {
        return compare(output, fitting(output, target),
                       mean_ ? at::Reduction::Mean : at::Reduction::Sum);
    }

    std::vector<LossTerm> terms(const Batch& inputs) override {
        const Tensor& output = inputs.tensor("output");
        LossTerm term{.name = "loss"};
        term.sum = forward(output, inputs.tensor("target"));
        term.is_mean = mean_;
        // The sum over the batch is its mean times its size.
        if (!mean_)
            term.scale = double(inputs.global_size > 0 ? inputs.global_size : output.size(0));
        return {std::move(term)};
    }

  protected:
    virtual const char* name() const = 0;
    virtual Tensor compare(const Tensor& output, const Tensor& target, int64_t reduction) const = 0;

  private:
    /// The target in the output's dtype and shape. [N] and [N, 1] fit; PyTorch would compare each
    /// number with each other one.
    Tensor fitting(const Tensor& output, const Tensor& target) const {
        auto without_ones = [](at::IntArrayRef sizes) {
            std::vector<int64_t> result;
            for (int64_t size : sizes)
                if (size != 1) result.push_back(size);
            return result;
        };
        if (without_ones(output.sizes()) != without_ones(target.sizes()))
            throw Error(concat(name(), ": output and target must have one shape; got output ",
                               c10::str(output.sizes()), " and target ", c10::str(target.sizes())));
        return target.to(output.scalar_type()).reshape_as(output);
    }

    const bool mean_;
};

class MSELoss final : public ElementwiseLoss {
  public:
    using ElementwiseLoss::ElementwiseLoss;

  protected:
    const char* name() const override { return "MSELoss"; }
    Tensor compare(const Tensor& output, const Tensor& target, int64_t reduction) const override {
        return at::mse_loss(output, target, reduction);
    }
};

class L1Loss final : public ElementwiseLoss {
  public:
    using ElementwiseLoss::ElementwiseLoss;

  protected:
    const char* name() const override { return "L1Loss"; }
    Tensor compare(const Tensor& output, const Tensor& target, int64_t reduction) const override {
        return at::l1_loss(output, target, reduction);
    }
};

}  // namespace

AILAB_REGISTER_LOSS(MSELoss, "Mean squared error of output and target")
AILAB_REGISTER_LOSS(L1Loss, "Mean absolute error of output and target")

}  // namespace ailab
