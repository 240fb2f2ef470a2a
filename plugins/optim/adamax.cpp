// Adamax: Adam with the infinity norm (Kingma and Ba, 2015, section 7.1).
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

struct AdamaxOptions : AdamBaseOptions {
    AdamaxOptions() { lr = 2e-3; }

    void visit(OptionVisitor& v) {
        visit_base(v, "added to the gradients' sizes");
        maximize_option(v, maximize);
    }
};

class Adamax final : public ForeachOptimizer {
  public:
    using Options = AdamaxOptions;
    explicit Adamax(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, options.betas[0]},
                           {{{"exp_avg", "exp_inf"}}}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        auto& exp_avg = tensor_group.states[0];
        auto& exp_inf = tensor_group.states[1];
        const double beta1 = group.momentum.value_or(o.betas[0]);
        const TensorVector grads = descent(tensor_group, o.maximize, group.weight_decay);
        average(exp_avg, grads, beta1);
        TensorVector sizes = at::_foreach_abs(grads);
        at::_foreach_add_(sizes, o.eps);
        at::_foreach_mul_(exp_inf, o.betas[1]);
        at::_foreach_maximum_(exp_inf, sizes);
        at::_foreach_addcdiv_(tensor_group.params, exp_avg, exp_inf,
                              -group.lr / (1 - std::pow(beta1, t)));
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adamax, "Adam that divides by the largest recent gradient")

}  // namespace ailab
