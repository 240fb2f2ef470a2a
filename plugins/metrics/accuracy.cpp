#include <algorithm>
#include <cmath>

#include "counting.hpp"

namespace ailab {
namespace {

/// How many of n samples have their class among the k highest of the scores [n, classes]. As in
/// at::argmax, NaN is above all numbers, and of equal scores the first is the highest.
template <class Score>
int64_t count_among_highest(const Tensor& scores, const Tensor& target, int64_t k) {
    const int64_t classes = scores.size(1);
    const Score* row = scores.const_data_ptr<Score>();
    int64_t right = 0;
    for (const int64_t wanted :
         c10::ArrayRef<int64_t>(target.const_data_ptr<int64_t>(), size_t(target.numel()))) {
        if (wanted >= 0 && wanted < classes) {
            const Score mine = row[wanted];
            int64_t above = 0;
            for (int64_t i = 0; i < classes; ++i) {
                const bool higher = row[i] > mine || (std::isnan(row[i]) && !std::isnan(mine));
                const bool equal = row[i] == mine || (std::isnan(row[i]) && std::isnan(mine));
                above += higher || (equal && i < wanted);
            }
            right += above < k;
        }
        row += classes;
    }
    return right;
}

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
        if (is_plain(output, target)) {
            count("correct", count_plain(output, target));
            return count("total", target.numel());
        }
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
    /// What is counted without ATen, which is called in every training iteration otherwise.
    bool is_plain(const Tensor& output, const Tensor& target) const {
        return !o_.ignore_index && output.is_cpu() && target.is_cpu() && output.dim() == 2 &&
               target.dim() == 1 && output.size(0) == target.size(0) && output.size(1) > 1 &&
               output.is_contiguous() && target.is_contiguous() &&
               target.scalar_type() == at::kLong &&
               (output.scalar_type() == at::kFloat || output.scalar_type() == at::kDouble);
    }
    int64_t count_plain(const Tensor& output, const Tensor& target) {
        const int64_t k = known_k(output);
        return output.scalar_type() == at::kFloat ? count_among_highest<float>(output, target, k)
                                                  : count_among_highest<double>(output, target, k);
    }

    /// topk, which a warning tells when there are fewer classes.
    int64_t known_k(const Tensor& output) {
        const int64_t k = std::min(o_.topk, output.size(1));
        if (k < o_.topk && !warned_) {
            warned_ = true;
            log_warning("Accuracy: topk is ", o_.topk, ", but there are only ", output.size(1),
                        " classes, so every sample counts as right. Lower topk, or leave this "
                        "metric out");
        }
        return k;
    }

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
        const int64_t k = known_k(output);
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
