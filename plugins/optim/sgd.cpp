// Stochastic gradient descent with momentum, by ATen's fused kernel.
#include "fused_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct SgdOptions {
    double lr = 1e-3;
    double momentum = 0;
    double dampening = 0;
    double weight_decay = 0;
    bool nesterov = false;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        v.option("lr", lr, "learning rate", at_least(0));
        v.option("momentum", momentum, "part of the last step that is kept", at_least(0));
        v.option("dampening", dampening, "part of the gradient kept out of the momentum");
        v.option("weight_decay", weight_decay, "times the weights, added to the gradient",
                 at_least(0));
        v.option("nesterov", nesterov, "Nesterov's momentum");
        v.option("maximize", maximize, "go up the gradient instead of down");
        v.rule([this] {
            return nesterov && (momentum <= 0 || dampening != 0)
                       ? "nesterov needs a momentum above 0 and no dampening"
                       : "";
        });
    }
};

class SGD final : public FusedOptimizer {
  public:
    using Options = SgdOptions;
    explicit SGD(const Options& options)
        : FusedOptimizer(options.momentum > 0 ? std::vector<std::string>{"momentum_buffer"}
                                              : std::vector<std::string>{}),
          o(options) {}

    double default_lr() const override { return o.lr; }
    double default_weight_decay() const override { return o.weight_decay; }

  protected:
    void update(FusedCell& cell, const ParamGroup& group, bool first,
                const std::optional<Tensor>& grad_scale,
                const std::optional<Tensor>& found_inf) override {
        at::_fused_sgd_(cell.params, cell.grads,
                        cell.states.empty() ? at::TensorList() : at::TensorList(cell.states[0]),
                        group.weight_decay, o.momentum, group.lr, o.dampening, o.nesterov,
                        o.maximize, first, grad_scale, found_inf);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(SGD, "Stochastic gradient descent, with momentum if wanted")

}  // namespace ailab
