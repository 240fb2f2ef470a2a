// Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), by ATen's fused kernels.
#include "common_options.hpp"
#include "fused_optimizer.hpp"

namespace ailab {
namespace {

struct AdamOptions : AdamBaseOptions {
    bool amsgrad = false;

    void visit(OptionVisitor& v) {
        visit_base(v);
        v.option("amsgrad", amsgrad, "divide by the largest average so far");
        maximize_option(v, maximize);
    }
};

struct AdamWOptions : AdamOptions {
    AdamWOptions() { weight_decay = 1e-2; }
};

std::vector<std::string> state_names(const AdamOptions& options) {
    std::vector<std::string> names = {"exp_avg", "exp_avg_sq"};
    if (options.amsgrad) names.emplace_back("max_exp_avg_sq");
    return names;
}

class Adam : public FusedOptimizer {
  public:
    using Options = AdamOptions;
    explicit Adam(const Options& options)
        : FusedOptimizer({options.lr, options.weight_decay, options.betas[0]},
                         state_names(options)),
          o(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, bool,
                const std::optional<Tensor>& grad_scale,
                const std::optional<Tensor>& found_inf) override {
        at::_fused_adam_(tensor_group.params, tensor_group.grads, tensor_group.states[0],
                         tensor_group.states[1], largest(tensor_group), tensor_group.steps,
                         group.lr, beta1(group), o.betas[1], group.weight_decay, o.eps, o.amsgrad,
                         o.maximize, grad_scale, found_inf);
    }
    double beta1(const ParamGroup& group) const { return group.momentum.value_or(o.betas[0]); }
    at::TensorList largest(const TensorGroup& tensor_group) const {
        return o.amsgrad ? at::TensorList(tensor_group.states[2]) : at::TensorList();
    }

    const Options o;
};

class AdamW final : public Adam {
  public:
    using Options = AdamWOptions;
    explicit AdamW(const Options& options) : Adam(options) {}

  protected:
    void update(TensorGroup& tensor_group, const ParamGroup& group, bool,
                const std::optional<Tensor>& grad_scale,
                const std::optional<Tensor>& found_inf) override {
        at::_fused_adamw_(tensor_group.params, tensor_group.grads, tensor_group.states[0],
                          tensor_group.states[1], largest(tensor_group), tensor_group.steps,
                          group.lr, beta1(group), o.betas[1], group.weight_decay, o.eps, o.amsgrad,
                          o.maximize, grad_scale, found_inf);
    }
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adam, "Adam; weight_decay is added to the gradient")
AILAB_REGISTER_OPTIMIZER(AdamW, "Adam with decoupled weight decay")

}  // namespace ailab
