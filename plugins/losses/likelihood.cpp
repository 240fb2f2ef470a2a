// Losses that compare distributions: what a model predicts is one, or the parameters of one.
#include <cmath>
#include <limits>
#include <numbers>

#include "reduced_loss.hpp"

namespace ailab {
namespace {

/// Kullback-Leibler divergence of the prediction from the target.
class KLDivLoss final : public PairLoss {
  public:
    struct Options {
        std::string reduction = "mean";
        bool log_target = false;
        void visit(OptionVisitor& v) {
            v.option("reduction", reduction,
                     "mean over all numbers; batchmean: the sum over the number of samples, which "
                     "is the divergence; or sum",
                     one_of({"mean", "batchmean", "sum"}));
            v.option("log_target", log_target, "target holds logarithms of probabilities too");
        }
    };
    explicit KLDivLoss(const Options& o)
        : PairLoss("KLDivLoss", o.reduction),
          by_sample_(o.reduction == "batchmean"),
          log_target_(o.log_target) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        if (!log_target_)
            check_range(loss(), target, 0, std::numeric_limits<double>::infinity(),
                        "probabilities (or their logarithms, with log_target: true)");
        if (!by_sample_) return at::kl_div(output, target, reduction(), log_target_);
        return at::kl_div(output, target, at::Reduction::Sum, log_target_) / output.size(0);
    }

  private:
    const bool by_sample_;
    const bool log_target_;
};

class PoissonNLLLoss final : public PairLoss {
  public:
    struct Options : ReductionOption {
        bool log_input = true;
        bool full = false;
        double eps = 1e-8;
        void visit(OptionVisitor& v) {
            v.option("log_input", log_input, "output is the logarithm of the rate");
            v.option("full", full, "add Stirling's term, which depends on the target alone");
            v.option("eps", eps, "added to the rate before its logarithm, if log_input is false",
                     above(0));
            ReductionOption::visit(v);
        }
    };
    explicit PoissonNLLLoss(const Options& options)
        : PairLoss("PoissonNLLLoss", options.reduction), o(options) {}

  protected:
    Tensor compare(const Tensor& output, const Tensor& target) override {
        check_range(loss(), target, 0, std::numeric_limits<double>::infinity(),
                    "counts, at least 0");
        return at::poisson_nll_loss(output, target, o.log_input, o.full, o.eps, reduction());
    }

  private:
    const Options o;
};

/// Nix and Weigend 1994: the model predicts mean and variance.
class GaussianNLLLoss final : public ReducedLoss {
  public:
    struct Options : ReductionOption {
        bool full = false;
        double eps = 1e-6;
        void visit(OptionVisitor& v) {
            v.option("full", full, "add the constant log(2 pi) / 2");
            v.option("eps", eps, "smaller variances count as this one", above(0));
            ReductionOption::visit(v);
        }
    };
    explicit GaussianNLLLoss(const Options& options)
        : ReducedLoss("GaussianNLLLoss", options.reduction), o(options) {}

    std::vector<std::string> inputs() const override { return {"output", "target", "var"}; }

  protected:
    Tensor reduced(const Batch& inputs) override {
        const Tensor& output = inputs.tensor("output");
        const Tensor target = fitting(loss(), output, inputs.tensor("target"));
        Tensor var = beside(inputs);
        // On the CPU only: elsewhere looking would make the training wait for the device.
        if (var.is_cpu() && var.detach().lt(0).any().item<bool>())
            throw Error(
                concat("GaussianNLLLoss: var must not be negative; let the model predict "
                       "it through softplus or exp.",
                       got(inputs)));
        // The variance is kept away from 0, its gradient goes on.
        var = var + (var.detach().clamp_min(o.eps) - var.detach());
        Tensor each = 0.5 * (var.log() + (output - target).square() / var);
        if (o.full) each = each + 0.5 * std::log(2 * std::numbers::pi);
        return reduce(each);
    }

  private:
    /// var: the output's shape, or without its last dimension (or with 1 in it): one variance for
    /// all numbers along it.
    Tensor beside(const Batch& inputs) const {
        const Tensor& var = inputs.tensor("var");
        const std::vector<int64_t> shape = inputs.tensor("output").sizes().vec();
        if (var.sizes() == at::IntArrayRef(shape)) return var;
        std::vector<int64_t> shorter(shape.begin(), shape.end() - (shape.empty() ? 0 : 1));
        if (var.sizes() == at::IntArrayRef(shorter)) return var.unsqueeze(-1);
        shorter.push_back(1);
        if (var.sizes() == at::IntArrayRef(shorter)) return var;
        throw Error(
            concat("GaussianNLLLoss: var must have the shape of output, or that without "
                   "the last dimension.",
                   got(inputs)));
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_LOSS(KLDivLoss,
                    "Kullback-Leibler divergence of log-probabilities from targets that are "
                    "probabilities")
AILAB_REGISTER_LOSS(PoissonNLLLoss,
                    "Negative log-likelihood of counts, at least 0, of a Poisson distribution")
AILAB_REGISTER_LOSS(GaussianNLLLoss,
                    "Negative log-likelihood of target, of a normal distribution: output is its "
                    "mean, var its variance")

}  // namespace ailab
