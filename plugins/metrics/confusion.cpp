// The confusion matrix, and Cohen's kappa, which follows from it.
#include <cmath>

#include "class_input.hpp"

namespace ailab {
namespace {

/// Counts of actual (row) and predicted (column) classes; a binary task has two classes.
class PairCounts : public ClassMetric {
  public:
    void update(const Tensor& output, const Tensor& target) final { take(o_, output, target); }

  protected:
    PairCounts(std::string who, const ClassMetricOptions& options)
        : ClassMetric(std::move(who), {.several_labels = false}), o_(options) {}

    void add_batch(const ClassInput& input) final {
        const int64_t c = input.labels ? 2 : input.classes;
        if (c > max_classes)
            throw Error(concat(who(), ": takes up to ", max_classes, " classes; got ", c));
        const Tensor predicted =
            input.labels ? input.predicted.to(at::kLong) : predicted_classes(input);
        const Tensor pair = (input.target * c + predicted).masked_fill(input.target.lt(0), c * c);
        add(input.prefix + "pairs",
            count_numbers(pair, c * c + 1).narrow(0, 0, c * c).reshape({c, c}));
    }

    /// float64 [C, C]; undefined when there were no samples. Checks the targets.
    Tensor counted(const std::map<std::string, Tensor>& states) const {
        const auto pairs = states.find(fitting(states) + "pairs");
        if (pairs == states.end() || pairs->second.sum().item<int64_t>() == 0) return {};
        return pairs->second.to(at::kDouble);
    }

    /// The matrix has the square of it: kept, summed over ranks, and published entry by entry.
    static constexpr int64_t max_classes = 100;

  private:
    const ClassMetricOptions o_;
};

class ConfusionMatrix final : public PairCounts {
  public:
    struct Options : ClassMetricOptions {
        std::string normalize = "none";
        void visit(OptionVisitor& v) {
            ClassMetricOptions::visit(v);
            v.option("normalize", normalize,
                     "none: counts; \"true\" (in quotes): shares of each actual class; pred: of "
                     "each predicted class; all: of all samples",
                     one_of({"none", "true", "pred", "all"}));
        }
    };

    explicit ConfusionMatrix(const Options& options)
        : PairCounts("ConfusionMatrix", options), o_(options) {}

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        Tensor matrix = counted(states);
        if (!matrix.defined()) {
            const int64_t classes = o_.task == "binary" ? 2 : o_.num_classes.value_or(0);
            if (classes == 0 || classes > max_classes) return {{"", unknown}};
            matrix = at::full({classes, classes}, unknown, at::kDouble);
        } else if (o_.normalize != "none") {
            const Tensor whole = o_.normalize == "true"   ? matrix.sum(1, true)
                                 : o_.normalize == "pred" ? matrix.sum(0, true)
                                                          : matrix.sum();
            matrix = matrix / whole.clamp_min(1);  // no sample of a class: all its shares are 0
        }
        std::map<std::string, double> results;
        for (int64_t i = 0; i < matrix.size(0); ++i)
            for (int64_t j = 0; j < matrix.size(1); ++j)
                results[concat(i, "_", j)] = matrix[i][j].item<double>();
        return results;
    }

  private:
    const Options o_;
};

/// Agreement beyond chance (Cohen, "A coefficient of agreement for nominal scales", 1960; weighted:
/// Cohen, 1968).
class CohenKappa final : public PairCounts {
  public:
    struct Options : ClassMetricOptions {
        std::string weights = "none";
        void visit(OptionVisitor& v) {
            ClassMetricOptions::visit(v);
            v.option("weights", weights,
                     "how a mistake grows with the distance of the class numbers",
                     one_of({"none", "linear", "quadratic"}));
        }
    };

    explicit CohenKappa(const Options& options) : PairCounts("CohenKappa", options), o_(options) {}

    std::optional<bool> greater_is_better() const override { return true; }
    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const Tensor matrix = counted(states);
        if (!matrix.defined()) return {{"", unknown}};
        const Tensor number = at::arange(matrix.size(0), at::kDouble);
        const Tensor distance = (number.unsqueeze(0) - number.unsqueeze(1)).abs();
        const Tensor weight = o_.weights == "none"     ? distance.ne(0).to(at::kDouble)
                              : o_.weights == "linear" ? distance
                                                       : distance.square();
        // All of these are whole numbers, so the order of the sums does not matter.
        const Tensor by_chance = matrix.sum(1, true) * matrix.sum(0, true);
        const double observed = (weight * matrix).sum().item<double>();
        const double expected = (weight * by_chance).sum().item<double>();
        return {{"", 1 - observed * matrix.sum().item<double>() / expected}};  // 0 / 0 is NaN
    }

  private:
    const Options o_;
};

}  // namespace

AILAB_REGISTER_METRIC(ConfusionMatrix,
                      "Samples of class i taken for class j, as the result name_i_j")
AILAB_REGISTER_METRIC(CohenKappa, "Agreement of outputs and targets beyond chance, -1 to 1")

}  // namespace ailab
