// Lion: the sign of an average of gradients (Chen et al., 2023), with timm's options.
#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are timm's.
struct LionOptions {
    double lr = 1e-4;
    std::vector<double> betas = {0.9, 0.99};
    double weight_decay = 0;
    bool caution = false;
    bool corrected_weight_decay = false;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        list_option(v, "betas", betas, 2, "decay of the average for the step and for keeping",
                    {.min = 0, .max = 1, .exclusive_max = true});
        weight_decay_option(v, weight_decay);
        caution_option(v, caution);
        corrected_weight_decay_option(v, corrected_weight_decay, lr);
        maximize_option(v, maximize);
    }
};

class Lion final : public ForeachOptimizer {
  public:
    using Options = LionOptions;
    explicit Lion(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, options.betas[0]}, {{{"exp_avg"}}}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, double) override {
        auto& exp_avg = tensor_group.states[0];
        const TensorVector grads = descent(tensor_group, o.maximize);
        const double decay_lr = o.corrected_weight_decay ? corrected_lr(group) : group.lr;
        if (group.weight_decay != 0)
            at::_foreach_mul_(tensor_group.params, 1 - decay_lr * group.weight_decay);
        TensorVector updates =
            at::_foreach_lerp(exp_avg, grads, 1 - group.momentum.value_or(o.betas[0]));
        at::_foreach_sign_(updates);
        if (o.caution) apply_caution(updates, grads);
        at::_foreach_add_(tensor_group.params, updates, -group.lr);
        average(exp_avg, grads, o.betas[1]);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Lion, "Steps by the sign of an average of gradients; decoupled decay")

}  // namespace ailab
