#include <algorithm>

#include "counting.hpp"

namespace ailab {
namespace {

/// In percent. Of class scores [N, C, …] and class numbers [N, …]; of class numbers, both [N, …];
/// or, binary and multilabel, of scores and targets 0 or 1 of one shape.
class Accuracy final : public CountingMetric {
  public:
    struct Options {
        int64_t topk = 1;
        double threshold = 0.5;
        std::optional<int64_t> ignore_index;
        void visit(OptionVisitor& v) {
            v.option("topk", topk, "right if the class is among the k highest scores", at_least(1));
            v.option("threshold", threshold,
                     "binary and multilabel: an output above it means yes (0 for logits)");
            v.option("ignore_index", ignore_index, "targets of this number are left out");
        }
    };

    explicit Accuracy(const Options& options) : o_(options) {
        add_state("correct", {}, at::kLong);
        add_state("total", {}, at::kLong);
    }

    void update(const Tensor& output, const Tensor& target) override {
        const at::NoGradGuard no_grad;
        const Tensor right = is_right(output, target);
        if (!o_.ignore_index) {
            add("correct", right.sum());
            return count("total", right.numel());
        }
        const Tensor counts = target.reshape_as(right).ne(*o_.ignore_index);
        add("correct", right.logical_and(counts).sum());
        add("total", counts.sum());
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const auto total = states.at("total").item<int64_t>();
        if (total == 0) return {{"", unknown}};
        return {{"", 100.0 * double(states.at("correct").item<int64_t>()) / double(total)}};
    }

  private:
    Tensor is_right(const Tensor& output, const Tensor& target) {
        const bool numbers = at::isIntegralType(target.scalar_type(), /*includeBool=*/false);
        const bool class_axis = target.dim() > 0 && output.dim() == target.dim() + 1 &&
                                output.size(0) == target.size(0) &&
                                output.sizes().slice(2) == target.sizes().slice(1) &&
                                output.size(1) > 0;
        if (class_axis && output.size(1) > 1 && numbers) return is_among_highest(output, target);
        const bool one_shape = target.dim() > 0 && output.sizes() == target.sizes();
        if ((!one_shape && !class_axis) || (class_axis && output.size(1) > 1)) fail(output, target);
        if (o_.topk > 1)
            throw Error(concat("Accuracy: topk is ", o_.topk,
                               ", which needs scores of several classes; got ",
                               describe(output, target)));
        const Tensor mine = output.reshape_as(target);
        if (at::isIntegralType(output.scalar_type(), /*includeBool=*/true)) return mine.eq(target);
        return mine.gt(o_.threshold).eq(target);
    }

    Tensor is_among_highest(const Tensor& output, const Tensor& target) {
        const int64_t k = std::min(o_.topk, output.size(1));
        if (k < o_.topk && !warned_) {
            warned_ = true;
            log_warning("Accuracy: topk is ", o_.topk, ", but there are only ", output.size(1),
                        " classes, so every sample counts as right. Lower topk, or leave this "
                        "metric out");
        }
        // Ties and NaN must not count as right: the highest scores are picked, not compared.
        if (k == 1) return output.argmax(1).eq(target);
        return std::get<1>(output.topk(k, 1)).eq(target.unsqueeze(1)).any(1);
    }

    [[noreturn]] static void fail(const Tensor& output, const Tensor& target) {
        throw Error(
            concat("Accuracy: expected output [N, classes, …] and target [N, …] of class "
                   "numbers, or output and target of one shape; got ",
                   describe(output, target)));
    }

    const Options o_;
    bool warned_ = false;
};

}  // namespace

AILAB_REGISTER_METRIC(Accuracy,
                      "Percentage of samples whose class is among the topk highest scores")

}  // namespace ailab
