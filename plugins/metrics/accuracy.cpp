#include <algorithm>
#include <cmath>

#include "class_input.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

struct Highest {
    int64_t right = 0;
    int64_t ignored = 0;
    int64_t invalid = 0;
};

/// How many of n samples have their class among the k highest of the scores [n, classes]. As in
/// at::argmax, NaN is above all numbers, and of equal scores the first is the highest.
template <class Score>
Highest count_among_highest(const Tensor& scores, const Tensor& target, int64_t k,
                            std::optional<int64_t> ignore_index) {
    const int64_t classes = scores.size(1);
    const Score* row = scores.const_data_ptr<Score>();
    Highest counts;
    for (const int64_t wanted :
         c10::ArrayRef<int64_t>(target.const_data_ptr<int64_t>(), size_t(target.numel()))) {
        if (wanted == ignore_index) {
            ++counts.ignored;
        } else if (wanted < 0 || wanted >= classes) {
            ++counts.invalid;
        } else {
            const Score mine = row[wanted];
            int64_t above = 0;
            for (int64_t i = 0; i < classes; ++i) {
                const bool higher = row[i] > mine || (std::isnan(row[i]) && !std::isnan(mine));
                const bool equal = row[i] == mine || (std::isnan(row[i]) && std::isnan(mine));
                above += higher || (equal && i < wanted);
            }
            counts.right += above < k;
        }
        row += classes;
    }
    return counts;
}

/// In percent. Of classes; or, binary and multilabel, of all labels together.
class Accuracy final : public ClassMetric {
  public:
    struct Options : ClassMetricOptions {
        int64_t topk = 1;
        void visit(OptionVisitor& v) {
            v.option("topk", topk, "right if the class is among the k highest scores",
                     size_from(1));
            ClassMetricOptions::visit(v);
        }
    };

    explicit Accuracy(const Options& options)
        : ClassMetric("Accuracy", {.several_labels = options.topk == 1, .uncounted_classes = true}),
          o_(options) {
        add_state("correct", {}, at::kLong);
        add_state("total", {}, at::kLong);
        // Tells an evaluation of which all targets are ignored from one without any that fits.
        add_state("ignored", {}, at::kLong);
    }

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) override {
        if (is_plain(output, target)) return count_plain(output, target);
        take(o_, output, target);
    }

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const std::string prefix = fitting(states);
        const auto total = states.at(prefix + "total").item<int64_t>();
        if (total == 0) return {{"", unknown}};
        return {
            {"", 100.0 * double(states.at(prefix + "correct").item<int64_t>()) / double(total)}};
    }

  protected:
    void add_batch(const ClassInput& input) override {
        const Tensor counts = input.target.ge(0);
        add(input.prefix + "correct", is_right(input).logical_and(counts).sum());
        add(input.prefix + "total", counts.sum());
        add("ignored", counts.logical_not().sum());
    }

  private:
    /// What is counted without ATen, which is called in every training iteration otherwise.
    bool is_plain(const Tensor& output, const Tensor& target) const {
        return o_.task == "auto" && !o_.num_classes && output.is_cpu() && target.is_cpu() &&
               output.dim() == 2 && target.dim() == 1 && output.size(0) == target.size(0) &&
               output.size(1) > 1 && output.is_contiguous() && target.is_contiguous() &&
               target.scalar_type() == at::kLong &&
               (output.scalar_type() == at::kFloat || output.scalar_type() == at::kDouble);
    }
    void count_plain(const Tensor& output, const Tensor& target) {
        const int64_t k = known_k(output.size(1));
        const Highest counts =
            output.scalar_type() == at::kFloat
                ? count_among_highest<float>(output, target, k, o_.ignore_index)
                : count_among_highest<double>(output, target, k, o_.ignore_index);
        if (counts.invalid != 0) refuse_targets(counts.invalid);
        count("correct", counts.right);
        count("total", target.numel() - counts.ignored);
        count("ignored", counts.ignored);
    }

    /// topk, which a warning tells when there are fewer classes.
    int64_t known_k(int64_t classes) {
        const int64_t k = std::min(o_.topk, classes);
        if (k < o_.topk && !warned_) {
            warned_ = true;
            log_warning("Accuracy: topk is ", o_.topk, ", but there are only ", classes,
                        " classes, so every sample counts as right. Lower topk, or leave this "
                        "metric out");
        }
        return k;
    }

    Tensor is_right(const ClassInput& input) {
        const bool several = !input.labels && input.has_scores();
        if (o_.topk > 1 && !several)
            throw Error(concat("Accuracy: topk is ", o_.topk,
                               ", which needs scores of several classes, not class numbers or "
                               "labels"));
        if (input.labels) return input.predicted.eq(input.target);
        const int64_t k = several ? known_k(input.classes) : 1;
        // Ties and NaN must not count as right: the highest scores are picked, not compared.
        return k == 1 ? predicted_classes(input).eq(input.target) : is_among_highest(input, k);
    }

    /// As count_among_highest(): at::topk() does not say which of equal scores it takes.
    static Tensor is_among_highest(const ClassInput& input, int64_t k) {
        const Tensor& scores = input.output;                           // [N, C, M]
        const Tensor wanted = input.target.clamp_min(0).unsqueeze(1);  // [N, 1, M]
        const Tensor mine = scores.gather(1, wanted), mine_nan = mine.isnan();
        const Tensor number = at::arange(scores.size(1), wanted.options()).unsqueeze(1);
        const Tensor nan = scores.isnan();
        const Tensor higher = scores.gt(mine).logical_or_(nan.logical_and(mine_nan.logical_not()));
        const Tensor equal = scores.eq(mine).logical_or_(nan.logical_and(mine_nan));
        return higher.logical_or_(equal.logical_and_(number.lt(wanted))).sum(1).lt(k);
    }

    const Options o_;
    bool warned_ = false;
};

}  // namespace

AILAB_REGISTER_METRIC(
    Accuracy,
    "Percentage of samples whose class is among the topk highest scores; of class "
    "numbers, probabilities, or labels 0 or 1")

}  // namespace ailab
