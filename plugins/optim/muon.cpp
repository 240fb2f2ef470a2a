// Muon (Jordan et al., 2024): orthogonalised momentum for matrices, AdamW for all else.
#include <algorithm>
#include <cmath>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's; those that begin with adamw_ are the options of AdamW.
struct MuonOptions {
    double lr = 1e-3;
    double weight_decay = 0.1;
    double momentum = 0.95;
    bool nesterov = true;
    std::vector<double> ns_coefficients = {3.4445, -4.7750, 2.0315};
    double eps = 1e-7;
    int64_t ns_steps = 5;
    std::optional<std::string> adjust_lr_fn;
    double adamw_lr = 1e-3;
    std::vector<double> adamw_betas = {0.9, 0.999};
    double adamw_eps = 1e-8;
    double adamw_weight_decay = 1e-2;

    void visit(OptionVisitor& v) {
        lr_option(v, lr);
        weight_decay_option(v, weight_decay);
        v.option("momentum", momentum, "decay of the average of the gradient",
                 {.min = 0, .max = 1, .exclusive_max = true});
        v.option("nesterov", nesterov, "Nesterov's momentum");
        list_option(v, "ns_coefficients", ns_coefficients, 3,
                    "coefficients of x, x^3 and x^5 in the Newton-Schulz iteration");
        v.option("eps", eps, "smallest norm that a matrix is divided by", at_least(0));
        v.option("ns_steps", ns_steps, "Newton-Schulz iterations",
                 {.min = 0, .max = 100, .exclusive_max = true});
        v.option("adjust_lr_fn", adjust_lr_fn,
                 "how lr follows the shape of a matrix; null: original",
                 one_of({"original", "match_rms_adamw"}));
        v.option("adamw_lr", adamw_lr, "learning rate of what is not a matrix; scheduled as lr is",
                 at_least(0));
        betas_option(v, adamw_betas, "adamw_betas");
        v.option("adamw_eps", adamw_eps, "added to AdamW's denominator", at_least(0));
        v.option("adamw_weight_decay", adamw_weight_decay, "weight decay of what is not a matrix",
                 at_least(0));
    }
};

/// Brings the singular values of a matrix close to 1, in bfloat16 as PyTorch does: a polynomial
/// iteration in which `ns_coefficients` make small values grow fast.
Tensor orthogonalized(const Tensor& matrix, const MuonOptions& o) {
    const double a = o.ns_coefficients[0], b = o.ns_coefficients[1], c = o.ns_coefficients[2];
    const bool tall = matrix.size(0) > matrix.size(1);
    Tensor x = matrix.to(at::kBFloat16);
    if (tall) x = x.t();
    x = x.div(x.norm().clamp_min(o.eps));
    for (int64_t i = 0; i < o.ns_steps; ++i) {
        const Tensor gram = x.mm(x.t());
        x = at::addmm(x, at::addmm(gram, gram, gram, b, c), x, a);
    }
    return tall ? x.t() : x;
}

/// What `lr` is multiplied by for a matrix of this shape.
double lr_factor(const Tensor& matrix, const std::optional<std::string>& fn) {
    const double rows = double(matrix.size(0)), columns = double(matrix.size(1));
    if (fn == "match_rms_adamw") return 0.2 * std::sqrt(std::max(rows, columns));
    return std::sqrt(std::max(1.0, rows / columns));
}

enum MuonKind : size_t { by_muon, by_adamw };

class Muon final : public ForeachOptimizer {
  public:
    using Options = MuonOptions;
    explicit Muon(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay, options.momentum},
                           {{{"momentum_buffer"}}, {{"exp_avg", "exp_avg_sq"}}}),
          o(options) {}

    /// AdamW's momentum is no schedule's to move.
    GroupDefaults defaults(const Tensor& param) const override {
        if (kind(param) == by_muon) return Optimizer::defaults(param);
        return {o.adamw_lr, o.adamw_weight_decay, o.adamw_betas[0], /*scheduled_momentum=*/false};
    }

  protected:
    size_t kind(const Tensor& param) const override {
        return param.dim() == 2 ? by_muon : by_adamw;
    }
    bool takes_complex() const override { return false; }

    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        if (tensor_group.kind == by_muon)
            update_matrices(tensor_group, group);
        else
            update_others(tensor_group, group, t);
    }

  private:
    void update_matrices(TensorGroup& tensor_group, const ParamGroup& group) {
        auto& buffer = tensor_group.states[0];
        const double momentum = group.momentum.value_or(o.momentum);
        average(buffer, tensor_group.grads, momentum);
        TensorVector updates =
            o.nesterov ? at::_foreach_lerp(tensor_group.grads, buffer, momentum) : buffer;
        std::vector<at::Scalar> factors;
        for (Tensor& update : updates) {
            factors.emplace_back(-group.lr * lr_factor(update, o.adjust_lr_fn));
            update = orthogonalized(update, o).to(update.scalar_type());
        }
        at::_foreach_mul_(updates, factors);
        at::_foreach_mul_(tensor_group.params, 1 - group.lr * group.weight_decay);
        at::_foreach_add_(tensor_group.params, updates);
    }

    void update_others(TensorGroup& tensor_group, const ParamGroup& group, double t) {
        const Tensor step = at::full(
            {}, t, tensor_group.params[0].options().dtype(at::kFloat).requires_grad(false));
        const TensorVector steps(tensor_group.params.size(), step);
        at::_fused_adamw_(tensor_group.params, tensor_group.grads, tensor_group.states[0],
                          tensor_group.states[1], {}, steps, group.lr,
                          group.momentum.value_or(o.adamw_betas[0]), o.adamw_betas[1],
                          group.weight_decay, o.adamw_eps, /*amsgrad=*/false, /*maximize=*/false);
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Muon, "Orthogonalised momentum for matrices, AdamW for other parameters")

}  // namespace ailab
