// LAMB: Adam whose steps are relative to each parameter's size (You et al., 2020), with the options
// of timm, which follows NVIDIA's variant.
#include <cmath>
#include <map>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are timm's.
struct LambOptions {
    double lr = 1e-3;
    bool bias_correction = true;
    std::vector<double> betas = {0.9, 0.999};
    double eps = 1e-6;
    double weight_decay = 0.01;
    bool grad_averaging = true;
    std::optional<double> max_grad_norm = 1;
    bool trust_clip = false;
    bool always_adapt = false;
    bool caution = false;
    bool decoupled_decay = false;
    bool corrected_weight_decay = false;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        v.option("bias_correction", bias_correction, "correct the averages for starting at 0");
        betas_option(v, betas);
        eps_option(v, eps);
        weight_decay_option(v, weight_decay);
        v.option("grad_averaging", grad_averaging,
                 "the gradient enters its average times 1 - beta1 instead of whole");
        v.option("max_grad_norm", max_grad_norm,
                 "largest norm of all gradients together; null: any", above(0));
        v.option("trust_clip", trust_clip, "never enlarge a step for the size of its parameter");
        v.option("always_adapt", always_adapt,
                 "steps are relative to their parameters without weight decay too");
        caution_option(v, caution);
        v.option("decoupled_decay", decoupled_decay,
                 "weight decay shrinks the weights instead of being added to the update");
        corrected_weight_decay_option(v, corrected_weight_decay, lr);
    }
};

/// Unlike timm, a parameter that gets no gradient in a step does not count the step.
class LAMB final : public ForeachOptimizer {
  public:
    using Options = LambOptions;
    explicit LAMB(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, options.betas[0]},
                           {{{"exp_avg", "exp_avg_sq"}}}),
          o(options) {}

  protected:
    void prepare(std::vector<TensorGroup>& tensor_groups) override {
        if (!o.max_grad_norm) return;
        // Summed in the order of names: the tensor_groups' depends on the run's past.
        std::map<std::string, Tensor> by_name;
        for (const TensorGroup& tensor_group : tensor_groups) {
            if (tensor_group.grads.empty()) continue;
            const TensorVector norms = at::_foreach_norm(tensor_group.grads);
            for (size_t i = 0; i < norms.size(); ++i)
                by_name.emplace(tensor_group.names[i], norms[i]);
        }
        if (by_name.empty()) return;
        TensorVector norms;
        for (const auto& [name, norm] : by_name)
            norms.push_back(norm.to(by_name.begin()->second.device(), at::kDouble));
        const Tensor excess = at::stack(norms).norm().div_(*o.max_grad_norm).clamp_min_(1);
        for (TensorGroup& tensor_group : tensor_groups)
            if (!tensor_group.grads.empty())
                tensor_group.grads = at::_foreach_div(tensor_group.grads,
                                                      excess.to(tensor_group.grads[0].options()));
    }

    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        auto& exp_avg = tensor_group.states[0];
        auto& exp_avg_sq = tensor_group.states[1];
        const double beta1 = group.momentum.value_or(o.betas[0]), beta2 = o.betas[1];
        if (o.grad_averaging) {
            average(exp_avg, tensor_group.grads, beta1);
        } else {
            at::_foreach_mul_(exp_avg, beta1);
            at::_foreach_add_(exp_avg, tensor_group.grads);
        }
        average_squares(exp_avg_sq, tensor_group.grads, beta2);

        TensorVector denominator = at::_foreach_sqrt(exp_avg_sq);
        if (o.bias_correction) at::_foreach_div_(denominator, std::sqrt(1 - std::pow(beta2, t)));
        at::_foreach_add_(denominator, o.eps);
        TensorVector updates =
            at::_foreach_div(exp_avg, o.bias_correction ? 1 - std::pow(beta1, t) : 1);
        at::_foreach_div_(updates, denominator);
        if (o.caution) apply_caution(updates, tensor_group.grads);

        const double decay = group.weight_decay;
        if (decay != 0 && o.decoupled_decay) {
            const double decay_lr = o.corrected_weight_decay ? corrected_lr(group) : group.lr;
            at::_foreach_mul_(tensor_group.params, 1 - decay_lr * decay);
        } else if (decay != 0) {
            at::_foreach_add_(updates, tensor_group.params, decay);
        }
        if (decay != 0 || o.always_adapt)
            at::_foreach_mul_(updates, trust_ratios(tensor_group.params, updates));
        at::_foreach_add_(tensor_group.params, updates, -group.lr);
    }

  private:
    /// Norm of the parameter over that of its update, one tensor each; 1 where either is 0.
    TensorVector trust_ratios(const TensorVector& params, const TensorVector& updates) const {
        const Tensor sizes = at::stack(at::_foreach_norm(params));
        const Tensor steps = at::stack(at::_foreach_norm(updates));
        Tensor ratios =
            at::where(sizes.gt(0).logical_and_(steps.gt(0)), sizes / steps, at::ones_like(sizes));
        if (o.trust_clip) ratios.clamp_max_(1);
        return ratios.unbind();
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(LAMB, "Adam for large batches: steps relative to each parameter's size")

}  // namespace ailab
