#include <algorithm>
#include <limits>

#include "ailab/ailab.hpp"

namespace ailab {
namespace {

class Accuracy final : public Metric {
  public:
    struct Options {
        int64_t topk = 1;
        void visit(OptionVisitor& v) {
            v.option("topk", topk, "right if the class is among the k highest scores", at_least(1));
        }
    };

    explicit Accuracy(const Options& options) : topk_(options.topk) {
        add_state("correct", {}, at::kLong);
        add_state("total", {}, at::kLong);
    }

    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        check(output, target);
        // Ties and NaN must not count as right: the highest scores are picked, not compared.
        const Tensor right = topk_ == 1
                                 ? output.argmax(1).eq(target)
                                 : std::get<1>(output.topk(std::min(topk_, output.size(1)), 1))
                                       .eq(target.unsqueeze(1))
                                       .any(1);
        add("correct", right.sum());
        add("total", at::scalar_tensor(target.size(0), at::kLong));
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const auto total = states.at("total").item<int64_t>();
        if (total == 0) return {{"", std::numeric_limits<double>::quiet_NaN()}};
        return {{"", 100.0 * double(states.at("correct").item<int64_t>()) / double(total)}};
    }

  private:
    /// Counts stay on the device of the output: nothing waits for it.
    void add(const std::string& name, const Tensor& count) {
        Tensor& sum = state(name);
        if (sum.device() != count.device()) sum = sum.to(count.device());
        sum.add_(count);
    }

    static void check(const Tensor& output, const Tensor& target) {
        const bool fits = output.dim() == 2 && target.dim() == 1 &&
                          output.size(0) == target.size(0) && output.size(1) > 0 &&
                          at::isIntegralType(target.scalar_type(), /*includeBool=*/false);
        if (!fits)
            throw Error(
                concat("Accuracy: expected output [N, classes] and target [N] of class "
                       "numbers; got output ",
                       c10::str(output.sizes()), " and target ", c10::str(target.sizes()), " ",
                       c10::toString(target.scalar_type())));
    }

    const int64_t topk_;
};

}  // namespace

AILAB_REGISTER_METRIC(Accuracy,
                      "Percentage of samples whose class is among the topk highest scores")

}  // namespace ailab
