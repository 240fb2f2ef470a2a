// Resilient backpropagation (Riedmiller and Braun, 1993): only the gradient's sign counts.
#include "common_options.hpp"
#include "foreach_optimizer.hpp"

namespace ailab {
namespace {

/// Names and defaults are PyTorch's.
struct RpropOptions {
    double lr = 1e-2;
    std::vector<double> etas = {0.5, 1.2};
    std::vector<double> step_sizes = {1e-6, 50};
    bool maximize = false;

    void visit(OptionVisitor& v) {
        v.option("lr", lr, "size of the first steps", at_least(0));
        list_option(v, "etas", etas, 2,
                    "factors of a step's size when the gradient turns and when it does not",
                    above(0));
        list_option(v, "step_sizes", step_sizes, 2, "smallest and largest size of a step",
                    at_least(0));
        maximize_option(v, maximize);
        v.rule([this] {
            return etas.size() != 2 || (etas[0] < 1 && etas[1] > 1)
                       ? ""
                       : "etas takes a number below 1 and one above 1";
        });
        v.rule([this] {
            return step_sizes.size() != 2 || step_sizes[0] <= step_sizes[1]
                       ? ""
                       : "the smallest of step_sizes is above the largest";
        });
    }
};

class Rprop final : public ForeachOptimizer {
  public:
    using Options = RpropOptions;
    explicit Rprop(const Options& options)
        : ForeachOptimizer({options.lr}, {{{"prev", "step_size"}}}), o(options) {}

  protected:
    Tensor initial_state(size_t, size_t index, const Tensor& param,
                         const ParamGroup& group) const override {
        return at::full_like(param, index == 0 ? 0 : group.lr);
    }

    void update(TensorGroup& tensor_group, const ParamGroup&, double) override {
        auto& prev = tensor_group.states[0];
        auto& step_size = tensor_group.states[1];
        const TensorVector grads = descent(tensor_group, o.maximize);
        TensorVector factors = at::_foreach_mul(grads, prev);
        TensorVector kept = grads;  // a gradient that has turned counts as 0
        for (size_t i = 0; i < factors.size(); ++i) {
            const Tensor turned = factors[i].lt(0), went_on = factors[i].gt(0);
            kept[i] = grads[i].masked_fill(turned, 0);
            factors[i].fill_(1).masked_fill_(turned, o.etas[0]).masked_fill_(went_on, o.etas[1]);
        }
        at::_foreach_mul_(step_size, factors);
        at::_foreach_clamp_min_(step_size, o.step_sizes[0]);
        at::_foreach_clamp_max_(step_size, o.step_sizes[1]);
        at::_foreach_copy_(prev, kept);
        at::_foreach_addcmul_(tensor_group.params, at::_foreach_sign(kept), step_size, -1);
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_OPTIMIZER(Rprop, "Steps by the gradient's sign, for training on whole data sets")

}  // namespace ailab
