// RAdam: Adam with a rectified adaptive learning rate (Liu et al., 2020).
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

struct RAdamOptions : AdamBaseOptions {
    bool decoupled_weight_decay = false;

    void visit(OptionVisitor& v) {
        visit_base(v);
        decoupled_weight_decay_option(v, decoupled_weight_decay);
        maximize_option(v, maximize);
    }
};

class RAdam final : public ForeachOptimizer {
  public:
    using Options = RAdamOptions;
    explicit RAdam(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, options.betas[0]},
                           {{{"exp_avg", "exp_avg_sq"}}}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        auto& exp_avg = tensor_group.states[0];
        auto& exp_avg_sq = tensor_group.states[1];
        const double beta1 = group.momentum.value_or(o.betas[0]);
        const TensorVector grads =
            decayed_descent(tensor_group, group, o.maximize, o.decoupled_weight_decay);
        average(exp_avg, grads, beta1);
        average_squares(exp_avg_sq, grads, o.betas[1]);

        const double step_size = group.lr / (1 - std::pow(beta1, t));
        const double correction = 1 - std::pow(o.betas[1], t);
        // Lengths of the simple moving average that the squares' average stands for.
        const double longest = 2 / (1 - o.betas[1]) - 1;
        const double length = longest - 2 * t * std::pow(o.betas[1], t) / correction;
        if (length > 5) {
            const double rectification = std::sqrt((length - 4) * (length - 2) * longest /
                                                   ((longest - 4) * (longest - 2) * length));
            at::_foreach_addcdiv_(tensor_group.params, exp_avg, root_plus(exp_avg_sq, o.eps),
                                  -step_size * rectification * std::sqrt(correction));
        } else {  // the variance of the squares' average is too large to divide by it
            at::_foreach_add_(tensor_group.params, exp_avg, -step_size);
        }
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(RAdam, "Adam that needs no warm-up: its first steps are rectified")

}  // namespace ailab
