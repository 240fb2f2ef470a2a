// Adafactor (Shazeer and Stern, 2018): squared gradients kept by row and by column.
#include <algorithm>
#include <cmath>
#include <limits>

#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct AdafactorOptions {
    double lr = 1e-2;
    double beta2_decay = -0.8;
    std::vector<std::optional<double>> eps = {std::nullopt, 1e-3};
    double d = 1;
    double weight_decay = 0;
    bool maximize = false;

    void visit(OptionVisitor& v) {
        v.option("lr", lr, "largest step, relative to the weights", at_least(0));
        v.option("beta2_decay", beta2_decay, "the averages' decay in step t is 1 - t^beta2_decay",
                 at_most(0));
        list_option(v, "eps", eps, 2,
                    "smallest root of an average (null: the dtype's epsilon) and smallest size of "
                    "the weights that a step is relative to",
                    at_least(0));
        v.option("d", d, "largest root mean square of an update", at_least(1));
        weight_decay_option(v, weight_decay);
        maximize_option(v, maximize);
        v.rule([this] {
            return eps.size() != 2 || eps[1] ? "" : "the second number of eps must not be null";
        });
    }
};

double epsilon(at::ScalarType type) {
    double result = 0;
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, type, "epsilon", [&] {
        result = double(std::numeric_limits<scalar_t>::epsilon());
    });
    return result;
}

/// The root mean square of each tensor, on the host: one transfer for all.
std::vector<double> root_mean_squares(const TensorVector& tensors) {
    const Tensor norms = at::stack(at::_foreach_norm(tensors)).to(at::kCPU, at::kDouble);
    std::vector<double> result(norms.data_ptr<double>(), norms.data_ptr<double>() + norms.numel());
    for (size_t i = 0; i < result.size(); ++i) result[i] /= std::sqrt(double(tensors[i].numel()));
    return result;
}

/// Means of squares over one dimension, kept with size 1.
TensorVector mean_squares(const TensorVector& tensors, int64_t dim) {
    TensorVector result;
    std::vector<at::Scalar> sizes;
    for (const Tensor& t : tensors) {
        result.push_back(at::linalg_vector_norm(t, 2, dim, /*keepdim=*/true));
        sizes.emplace_back(t.size(dim));
    }
    at::_foreach_mul_(result, result);
    at::_foreach_div_(result, sizes);
    return result;
}

enum Kind : size_t { vectors, matrices };

class Adafactor final : public ForeachOptimizer {
  public:
    using Options = AdafactorOptions;
    explicit Adafactor(const Options& options)
        : ForeachOptimizer({options.lr, options.weight_decay},
                           {{{"variance"}}, {{"row_var", "col_var"}}}),
          o(options) {}

  protected:
    size_t kind(const Tensor& param) const override { return param.dim() > 1 ? matrices : vectors; }
    bool takes_complex() const override { return false; }

    /// The variance of a row or column is 1 wide in the dimension that it stands for.
    Tensor initial_state(size_t kind, size_t index, const Tensor& param,
                         const ParamGroup&) const override {
        if (kind == vectors) return at::zeros_like(param);
        std::vector<int64_t> shape = param.sizes().vec();
        shape[shape.size() - 1 - index] = 1;
        return at::zeros(shape, param.options().requires_grad(false));
    }

    void update(TensorGroup& tensor_group, const ParamGroup& group, double t) override {
        const double eps1 = o.eps[0].value_or(epsilon(tensor_group.params[0].scalar_type()));
        const double weight = std::pow(t, o.beta2_decay);
        const double relative_step = std::min(group.lr, 1 / std::sqrt(t));
        const std::vector<double> sizes = root_mean_squares(tensor_group.params);
        if (group.weight_decay != 0)
            at::_foreach_mul_(tensor_group.params, 1 - group.lr * group.weight_decay);

        const TensorVector grads = descent(tensor_group, o.maximize);
        TensorVector updates = tensor_group.kind == matrices
                                   ? factored_variance(tensor_group, grads, weight, eps1)
                                   : variance(tensor_group, grads, weight);
        at::_foreach_clamp_min_(updates, eps1 * eps1);
        at::_foreach_rsqrt_(updates);
        at::_foreach_mul_(updates, grads);

        const std::vector<double> lengths = root_mean_squares(updates);
        std::vector<at::Scalar> factors;
        for (size_t i = 0; i < updates.size(); ++i)
            factors.emplace_back(-relative_step * std::max(*o.eps[1], sizes[i]) /
                                 std::max(1.0, lengths[i] / o.d));
        at::_foreach_mul_(updates, factors);
        at::_foreach_add_(tensor_group.params, updates);
    }

  private:
    static TensorVector variance(TensorGroup& tensor_group, const TensorVector& grads,
                                 double weight) {
        at::_foreach_lerp_(tensor_group.states[0], at::_foreach_mul(grads, grads), weight);
        return at::_foreach_mul(tensor_group.states[0], 1);
    }

    /// Rows times columns over the mean of the rows.
    static TensorVector factored_variance(TensorGroup& tensor_group, const TensorVector& grads,
                                          double weight, double eps1) {
        auto& row_var = tensor_group.states[0];
        auto& col_var = tensor_group.states[1];
        at::_foreach_lerp_(row_var, mean_squares(grads, -1), weight);
        at::_foreach_lerp_(col_var, mean_squares(grads, -2), weight);
        TensorVector estimates, means;
        for (size_t i = 0; i < grads.size(); ++i) {
            estimates.push_back(at::matmul(row_var[i], col_var[i]));
            means.push_back(row_var[i].mean(-2, /*keepdim=*/true));
        }
        at::_foreach_clamp_min_(means, eps1);
        at::_foreach_div_(estimates, means);
        return estimates;
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Adafactor, "Adam's scaling with little memory: kept by row and by column")

}  // namespace ailab
