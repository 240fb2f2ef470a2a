// Adadelta (Zeiler, 2012).
#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct AdadeltaOptions {
    double lr = 1;
    double rho = 0.9;
    double eps = 1e-6;
    double weight_decay = 0;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("rho", rho, "decay of the averages of squared gradients and steps", between(0, 1));
        v.option("eps", eps, "added under both roots", at_least(0));
        weight_decay_option(v, weight_decay);
        maximize_option(v, maximize);
    }
};

class Adadelta final : public ForeachOptimizer {
  public:
    using Options = AdadeltaOptions;
    explicit Adadelta(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay}, {{{"square_avg", "acc_delta"}}}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, double) override {
        auto& square_avg = tensor_group.states[0];
        auto& acc_delta = tensor_group.states[1];
        const TensorVector grads = descent(tensor_group, o.maximize, group.weight_decay);
        average_squares(square_avg, grads, o.rho);
        TensorVector delta = root(acc_delta);
        at::_foreach_div_(delta, root(square_avg));
        at::_foreach_mul_(delta, grads);
        average_squares(acc_delta, delta, o.rho);
        at::_foreach_add_(tensor_group.params, delta, -group.lr);
    }

  private:
    TensorVector root(const TensorVector& squares) const {
        TensorVector result = at::_foreach_add(squares, o.eps);
        at::_foreach_sqrt_(result);
        return result;
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adadelta, "Steps as large as the recent ones, relative to the gradients")

}  // namespace ailab
