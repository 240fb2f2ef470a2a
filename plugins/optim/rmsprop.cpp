// RMSprop (Tieleman and Hinton, 2012), centered if wanted (Graves, 2013).
#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct RMSpropOptions {
    double lr = 1e-2;
    double alpha = 0.99;
    double eps = 1e-8;
    double weight_decay = 0;
    double momentum = 0;
    bool centered = false;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("alpha", alpha, "decay of the average of squared gradients", at_least(0));
        eps_option(v, eps);
        weight_decay_option(v, weight_decay);
        momentum_option(v, momentum);
        v.option("centered", centered, "divide by the gradient's deviation from its average");
        maximize_option(v, maximize);
    }
};

StateNames state_names(const RMSpropOptions& options) {
    StateNames names{{"square_avg"}};
    if (options.centered) names.tensors.emplace_back("grad_avg");
    if (options.momentum > 0) names.tensors.emplace_back("momentum_buffer");
    return names;
}

class RMSprop final : public ForeachOptimizer {
  public:
    using Options = RMSpropOptions;
    explicit RMSprop(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, momentum_if_used(options.momentum)},
                           {state_names(options)}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, double) override {
        auto& square_avg = tensor_group.states[0];
        const TensorVector grads = descent(tensor_group, o.maximize, group.weight_decay);
        average_squares(square_avg, grads, o.alpha);
        TensorVector denominator;
        if (o.centered) {
            auto& grad_avg = tensor_group.states[1];
            average(grad_avg, grads, o.alpha);
            denominator = at::_foreach_addcmul(square_avg, grad_avg, grad_avg, -1);
            at::_foreach_sqrt_(denominator);
            at::_foreach_add_(denominator, o.eps);
        } else {
            denominator = root_plus(square_avg, o.eps);
        }
        // A schedule may take the momentum down to 0: the buffers rest then, as in PyTorch.
        const double momentum = group.momentum.value_or(o.momentum);
        if (o.momentum > 0 && momentum > 0) {
            auto& buffer = tensor_group.states.back();
            at::_foreach_mul_(buffer, momentum);
            at::_foreach_addcdiv_(buffer, grads, denominator);
            at::_foreach_add_(tensor_group.params, buffer, -group.lr);
        } else {
            at::_foreach_addcdiv_(tensor_group.params, grads, denominator, -group.lr);
        }
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(RMSprop, "Divides by the root of the average of squared gradients")

}  // namespace ailab
