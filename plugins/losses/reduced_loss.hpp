#pragma once
// Losses whose mean is over the samples, or over numbers of which every sample has as many: the
// number of samples, which the sampler knows, is all that a split batch needs.
#include <functional>

#include "ailab/ailab.hpp"

namespace ailab {

/// The option that all of PyTorch's losses have. Its `none` is left out: it gives no scalar.
struct ReductionOption {
    std::string reduction = "mean";
    void visit(OptionVisitor& v) {
        v.option("reduction", reduction, "mean over all numbers, or sum", one_of({"mean", "sum"}));
    }
};

/// The shapes that `inputs` has, for the end of a message: " Got output [2, 3] float32, …".
std::string got(const Batch& inputs);

/// Throws Error unless the named inputs have one and the same shape.
void check_one_shape(const char* loss, const Batch& inputs, const std::vector<std::string>& names);

/// Runs `compute`; what LibTorch complains about gets the loss's name and the inputs' shapes.
Tensor with_shapes(const char* loss, const Batch& inputs, const std::function<Tensor()>& compute);

/// The target in the output's dtype and shape. [N] and [N, 1] fit; PyTorch would compare each
/// number with each other one. Throws Error for other shapes, with the inputs' names.
Tensor fitting(const char* loss, const Tensor& output, const Tensor& target,
               const char* output_name = "output", const char* target_name = "target");

/// Throws Error if a target is neither 1 nor -1. On the CPU only: elsewhere looking would make the
/// training wait for the device.
void check_signs(const char* loss, const Tensor& target);

/// Throws Error if a target lies outside of min … max by more than half precision rounds, or is
/// NaN. `what` names those that are taken: "counts, at least 0". On the CPU only, as above.
void check_range(const char* loss, const Tensor& target, double min, double max, const char* what);
/// The same for targets of yes-and-no outputs.
void check_yes_no(const char* loss, const Tensor& target);

/// A loss of one term from any inputs.
class ReducedLoss : public Loss {
  public:
    std::vector<LossTerm> terms(const Batch& inputs) override;

  protected:
    ReducedLoss(const char* loss, const std::string& reduction)
        : loss_(loss), is_mean_(reduction != "sum") {}

    /// The mean over these samples, or the sum: a scalar.
    virtual Tensor reduced(const Batch& inputs) = 0;

    const char* loss() const { return loss_; }
    bool is_mean() const { return is_mean_; }
    /// at::Reduction::Mean or Sum.
    int64_t reduction() const { return is_mean_ ? at::Reduction::Mean : at::Reduction::Sum; }
    Tensor reduce(const Tensor& each) const { return is_mean_ ? each.mean() : each.sum(); }

  private:
    const char* const loss_;
    const bool is_mean_;
};

/// A loss that compares output and target, of one shape, number by number.
class PairLoss : public ReducedLoss {
  public:
    std::optional<OutputKind> output_kind() const override { return kind_; }
    Tensor forward(const Tensor& output, const Tensor& target) override {
        return compare(output, fitting(loss(), output, target));
    }

  protected:
    PairLoss(const char* loss, const std::string& reduction, std::optional<OutputKind> kind = {})
        : ReducedLoss(loss, reduction), kind_(kind) {}

    /// `target` has the output's shape and dtype.
    virtual Tensor compare(const Tensor& output, const Tensor& target) = 0;

    Tensor reduced(const Batch& inputs) final {
        return forward(inputs.tensor("output"), inputs.tensor("target"));
    }

  private:
    const std::optional<OutputKind> kind_;
};

}  // namespace ailab
