// Adamax: Adam with the infinity norm (Kingma and Ba, 2015, section 7.1).
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct AdamaxOptions {
    double lr = 2e-3;
    std::vector<double> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        betas_option(v, betas);
        v.option("eps", eps, "added to the gradients' sizes", at_least(0));
        weight_decay_option(v, weight_decay);
        maximize_option(v, maximize);
    }
};

class Adamax final : public ForeachOptimizer {
  public:
    using Options = AdamaxOptions;
    explicit Adamax(const Options& options)
        : ForeachOptimizer({{{"exp_avg", "exp_inf"}}}), o(options) {}

    double default_lr() const override { return o.lr; }
    double default_weight_decay() const override { return o.weight_decay; }
    std::optional<double> default_momentum() const override { return o.betas[0]; }

  protected:
    void update(Cell& cell, const ParamGroup& group, double t) override {
        auto& exp_avg = cell.states[0];
        auto& exp_inf = cell.states[1];
        const double beta1 = group.momentum.value_or(o.betas[0]);
        const TensorVector grads = descent(cell, o.maximize, group.weight_decay);
        average(exp_avg, grads, beta1);
        TensorVector sizes = at::_foreach_abs(grads);
        at::_foreach_add_(sizes, o.eps);
        at::_foreach_mul_(exp_inf, o.betas[1]);
        at::_foreach_maximum_(exp_inf, sizes);
        at::_foreach_addcdiv_(cell.params, exp_avg, exp_inf, -group.lr / (1 - std::pow(beta1, t)));
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adamax, "Adam that divides by the largest recent gradient")

}  // namespace ailab
