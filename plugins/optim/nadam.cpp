// NAdam: Adam with Nesterov's momentum (Dozat, 2016).
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

struct NAdamOptions : AdamBaseOptions {
    NAdamOptions() { lr = 2e-3; }

    double momentum_decay = 4e-3;
    bool decoupled_weight_decay = false;

    void visit(OptionVisitor& v) {
        visit_base(v);
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
        : ForeachOptimizer({options.lr, options.weight_decay, options.betas[0]},
                           {{{"exp_avg", "exp_avg_sq"}, {"mu_product"}}}),
          o(options) {}

  protected:
    std::vector<double> initial_scalars(const ParamGroup&) const override { return {1}; }

    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        auto& exp_avg = tensor_group.states[0];
        auto& exp_avg_sq = tensor_group.states[1];
        double& mu_product = tensor_group.scalars[0];
        const double beta1 = group.momentum.value_or(o.betas[0]);
        auto mu_at = [&](double step) {
            return beta1 * (1 - 0.5 * std::pow(0.96, step * o.momentum_decay));
        };
        const double mu = mu_at(t), mu_next = mu_at(t + 1);
        mu_product *= mu;

        const TensorVector grads =
            decayed_descent(tensor_group, group, o.maximize, o.decoupled_weight_decay);
        average(exp_avg, grads, beta1);
        average_squares(exp_avg_sq, grads, o.betas[1]);
        TensorVector denominator = at::_foreach_sqrt(exp_avg_sq);
        at::_foreach_div_(denominator, std::sqrt(1 - std::pow(o.betas[1], t)));
        at::_foreach_add_(denominator, o.eps);
        at::_foreach_addcdiv_(tensor_group.params, grads, denominator,
                              -group.lr * (1 - mu) / (1 - mu_product));
        at::_foreach_addcdiv_(tensor_group.params, exp_avg, denominator,
                              -group.lr * mu_next / (1 - mu_product * mu_next));
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(NAdam, "Adam with Nesterov's momentum")

}  // namespace ailab
