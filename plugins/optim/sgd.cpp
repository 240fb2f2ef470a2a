// Stochastic gradient descent with momentum, by ATen's fused kernel.
#include "common_options.hpp"
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
        lr_option(v, lr);
        momentum_option(v, momentum);
        v.option("dampening", dampening, "part of the gradient kept out of the momentum");
        weight_decay_option(v, weight_decay);
        v.option("nesterov", nesterov, "Nesterov's momentum");
        maximize_option(v, maximize);
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
        : FusedOptimizer({options.lr, options.weight_decay, momentum_if_used(options.momentum)},
                         options.momentum > 0 ? std::vector<std::string>{"momentum_buffer"}
                                              : std::vector<std::string>{}),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, bool first,
                const std::optional<Tensor>& grad_scale,
                const std::optional<Tensor>& found_inf) override {
        // A schedule may take the momentum down to 0: the buffers rest then, as in PyTorch.
        const double momentum = group.momentum.value_or(o.momentum);
        const bool buffers = momentum != 0 && !tensor_group.states.empty();
        at::_fused_sgd_(tensor_group.params, tensor_group.grads,
                        buffers ? at::TensorList(tensor_group.states[0]) : at::TensorList(),
                        group.weight_decay, buffers ? momentum : 0, group.lr, o.dampening,
                        o.nesterov && buffers, o.maximize, first && buffers, grad_scale, found_inf);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(SGD, "Stochastic gradient descent, with momentum if wanted")

}  // namespace ailab
