// Averaged stochastic gradient descent (Polyak and Juditsky, 1992), with Bottou's step sizes.
#include <algorithm>
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct AsgdOptions {
    double lr = 1e-2;
    double lambd = 1e-4;
    double alpha = 0.75;
    double t0 = 1e6;
    double weight_decay = 0;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("lambd", lambd, "decay of the weights and of the learning rate");
        v.option("alpha", alpha, "the learning rate of step t is lr / (1 + lambd lr t)^alpha");
        v.option("t0", t0, "step from which on the weights are averaged");
        weight_decay_option(v, weight_decay);
        maximize_option(v, maximize);
    }
};

/// Keeps the average of the weights in the state `ax`, as PyTorch does; the model's weights are not
/// replaced by it.
class ASGD final : public ForeachOptimizer {
  public:
    using Options = AsgdOptions;
    explicit ASGD(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay}, {{{"ax"}, {"eta", "mu"}}}),
          o(options) {}

  protected:
    std::vector<double> initial_scalars(const ParamGroup& group) const override {
        return {group.lr, 1};
    }

    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        auto& ax = tensor_group.states[0];
        double& eta = tensor_group.scalars[0];
        double& mu = tensor_group.scalars[1];
        const TensorVector grads = descent(tensor_group, o.maximize, group.weight_decay);
        at::_foreach_mul_(tensor_group.params, 1 - o.lambd * eta);
        at::_foreach_add_(tensor_group.params, grads, -eta);
        average(ax, tensor_group.params, 1 - mu);
        eta = group.lr / std::pow(1 + o.lambd * group.lr * t, o.alpha);
        mu = 1 / std::max(1.0, t - o.t0);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(ASGD, "Gradient descent that keeps the average of the weights")

}  // namespace ailab
