// NAdam: Adam with Nesterov's momentum (Dozat, 2016).
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct NAdamOptions {
    double lr = 2e-3;
    std::vector<double> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    double momentum_decay = 4e-3;
    bool decoupled_weight_decay = false;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        betas_option(v, betas);
        eps_option(v, eps);
        weight_decay_option(v, weight_decay);
        v.option("momentum_decay", momentum_decay, "how fast the momentum grows to its full size",
                 at_least(0));
        decoupled_weight_decay_option(v, decoupled_weight_decay);
        maximize_option(v, maximize);
    }
};

class NAdam final : public ForeachOptimizer {
  public:
    using Options = NAdamOptions;
    explicit NAdam(const Options& options)
        : ForeachOptimizer({{{"exp_avg", "exp_avg_sq"}, {"mu_product"}}}), o(options) {}

    double default_lr() const override { return o.lr; }
    double default_weight_decay() const override { return o.weight_decay; }
    std::optional<double> default_momentum() const override { return o.betas[0]; }

  protected:
    std::vector<double> initial_scalars(const ParamGroup&) const override { return {1}; }

    void update(Cell& cell, const ParamGroup& group, double t) override {
        auto& exp_avg = cell.states[0];
        auto& exp_avg_sq = cell.states[1];
        double& mu_product = cell.scalars[0];
        const double beta1 = group.momentum.value_or(o.betas[0]);
        auto mu_at = [&](double step) {
            return beta1 * (1 - 0.5 * std::pow(0.96, step * o.momentum_decay));
        };
        const double mu = mu_at(t), mu_next = mu_at(t + 1);
        mu_product *= mu;

        if (o.decoupled_weight_decay && group.weight_decay != 0)
            at::_foreach_mul_(cell.params, 1 - group.lr * group.weight_decay);
        const TensorVector grads =
            descent(cell, o.maximize, o.decoupled_weight_decay ? 0 : group.weight_decay);
        average(exp_avg, grads, beta1);
        average_squares(exp_avg_sq, grads, o.betas[1]);
        TensorVector denominator = at::_foreach_sqrt(exp_avg_sq);
        at::_foreach_div_(denominator, std::sqrt(1 - std::pow(o.betas[1], t)));
        at::_foreach_add_(denominator, o.eps);
        at::_foreach_addcdiv_(cell.params, grads, denominator,
                              -group.lr * (1 - mu) / (1 - mu_product));
        at::_foreach_addcdiv_(cell.params, exp_avg, denominator,
                              -group.lr * mu_next / (1 - mu_product * mu_next));
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(NAdam, "Adam with Nesterov's momentum")

}  // namespace ailab
