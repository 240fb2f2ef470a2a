// Adagrad (Duchi, Hazan and Singer, 2011), by ATen's fused kernel.
#include "common_options.hpp"
#include "fused_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct AdagradOptions {
    double lr = 1e-2;
    double lr_decay = 0;
    double weight_decay = 0;
    double initial_accumulator_value = 0;
    double eps = 1e-10;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("lr_decay", lr_decay, "the learning rate of step t is lr / (1 + (t - 1) lr_decay)",
                 at_least(0));
        weight_decay_option(v, weight_decay);
        v.option("initial_accumulator_value", initial_accumulator_value,
                 "what the sums of squared gradients start with", at_least(0));
        eps_option(v, eps);
        maximize_option(v, maximize);
    }
};

class Adagrad final : public FusedOptimizer {
  public:
    using Options = AdagradOptions;
    explicit Adagrad(const Options& options)
        : FusedOptimizer({options.lr, options.weight_decay}, {"sum"}), o(options) {}

  protected:
    Tensor initial_state(size_t, size_t, const Tensor& param, const ParamGroup&) const override {
        return at::full_like(param, o.initial_accumulator_value);
    }
    void update(TensorGroup& tensor_group, const ParamGroup& group, bool,
                const std::optional<Tensor>& grad_scale,
                const std::optional<Tensor>& found_inf) override {
        at::_fused_adagrad_(tensor_group.params, tensor_group.grads, tensor_group.states[0],
                            tensor_group.steps, group.lr, o.lr_decay, group.weight_decay, o.eps,
                            o.maximize, grad_scale, found_inf);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adagrad, "Divides by the root of the sum of all squared gradients")

}  // namespace ailab
