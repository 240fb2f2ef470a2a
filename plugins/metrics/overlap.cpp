// How well predicted and actual regions overlap: the Jaccard index (intersection over union) and
// the Dice coefficient.
#include <cmath>

#include "class_counts.hpp"

namespace ailab {
namespace {

/// Over the whole data set, as torchmetrics: classes that do not occur, and ignore_index if it is
/// one of the classes, are left out of the mean.
class JaccardIndex final : public ClassCountMetric {
  public:
    struct Options : AverageOptions {
        Options() : AverageOptions("macro") {}
    };

    explicit JaccardIndex(const Options& options)
        : ClassCountMetric("JaccardIndex", options), o_(options) {}

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        auto [counts, labels] = counted(states);
        if (counts.empty()) return nothing_known(o_, o_.average == "none");
        const bool ignores_class = !labels && o_.ignore_index && *o_.ignore_index >= 0 &&
                                   *o_.ignore_index < int64_t(counts.size());
        if (ignores_class) counts[size_t(*o_.ignore_index)] = {};
        return averaged(counts, o_.average, jaccard, labels);
    }

  private:
    const Options o_;
};

/// The mIoU of semantic segmentation as its benchmarks define it (Everingham et al., "The Pascal
/// Visual Object Classes Challenge", 2015): pixels are counted over the whole data set, so the
/// number does not depend on the batches. Classes that do not occur are left out of the mean.
class MeanIoU final : public ClassCountMetric {
  public:
    struct Options : ClassMetricOptions {
        bool include_background = true;
        bool per_class = false;
        void visit(OptionVisitor& v) {
            ClassMetricOptions::visit(v);
            v.option("include_background", include_background, "whether class 0 counts");
            v.option("per_class", per_class, "beside the mean, a result for each class");
        }
    };

    explicit MeanIoU(const Options& options) : ClassCountMetric("MeanIoU", options), o_(options) {}

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const std::vector<ClassCount> counts = counted(states).of_class;
        const size_t classes = counts.empty() ? size_t(o_.num_classes.value_or(0)) : counts.size();
        std::map<std::string, double> results;
        double total = 0, present = 0;
        for (size_t c = o_.include_background ? 0 : 1; c < classes; ++c) {
            const double value = counts.empty() ? unknown : jaccard(counts[c], unknown);
            if (o_.per_class && classes > 1) results[std::to_string(c)] = value;
            if (std::isnan(value)) continue;
            total += value;
            ++present;
        }
        results[""] = present == 0 ? unknown : total / present;
        return results;
    }

  private:
    const Options o_;
};

/// As torchmetrics: by default the coefficient of each sample, averaged over the samples in which
/// it is defined.
class DiceScore final : public ClassMetric {
  public:
    struct Options : AverageOptions {
        bool include_background = true;
        std::string aggregation_level = "samplewise";
        Options() : AverageOptions("micro") {}
        void visit(OptionVisitor& v) {
            AverageOptions::visit(v);
            v.option("include_background", include_background, "whether class 0 counts");
            v.option("aggregation_level", aggregation_level,
                     "a coefficient for each sample, averaged, or one of the whole data set",
                     one_of({"samplewise", "global"}));
        }
    };

    explicit DiceScore(const Options& options) : ClassMetric("DiceScore"), o_(options) {}

    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) override { take(o_, output, target); }
    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const std::string prefix = fitting(states);
        Tensor values;
        if (const auto total = states.find(prefix + "total"); total != states.end())
            values = total->second / states.at(prefix + "defined");  // 0 / 0 is NaN
        else if (const auto counts = states.find(prefix + "counts"); counts != states.end())
            values = averages(counts->second.to(at::kDouble)).squeeze(0);
        const int64_t first = o_.include_background ? 0 : 1;
        if (!values.defined()) {
            const int64_t classes = o_.num_classes.value_or(0) - first;
            const bool several = o_.average == "none" && o_.task != "binary" && classes > 1;
            values = at::full({several ? classes : 1}, unknown, at::kDouble);
        }
        if (values.numel() == 1) return {{"", values.item<double>()}};
        std::map<std::string, double> results;
        for (int64_t c = 0; c < values.numel(); ++c)
            results[std::to_string(first + c)] = values[c].item<double>();
        return results;
    }

  protected:
    void add_batch(const ClassInput& input) override {
        if (!o_.include_background && input.classes < 2)
            throw Error(concat(who(), ": include_background: false leaves no class"));
        const bool each_sample = o_.aggregation_level == "samplewise";
        Tensor counts = count_classes(input, each_sample);  // [3, S, C]
        if (!o_.include_background) counts = counts.slice(2, 1);
        if (each_sample) {
            const Tensor values = averages(counts.to(at::kDouble));
            add(input.prefix + "total", stable_sum(values.nan_to_num(0).t().contiguous()));
            add(input.prefix + "defined", values.isnan().logical_not().sum(0));
        } else {
            add(input.prefix + "counts", counts);
        }
    }

  private:
    /// Of float64 counts [3, S, C]: [S, 1], or [S, C] for average: none. NaN where undefined.
    Tensor averages(const Tensor& counts) const {
        const Tensor hit = counts[0], predicted = counts[1], actual = counts[2];
        if (o_.average == "micro")
            return 2 * hit.sum(1, true) / (predicted.sum(1, true) + actual.sum(1, true));
        const Tensor dice = 2 * hit / (predicted + actual);
        if (o_.average == "none") return dice;
        if (o_.average == "macro") return dice.nanmean(at::IntArrayRef{1}, /*keepdim=*/true);
        const Tensor weights = actual / actual.sum(1, true);
        return (dice * weights)
            .nansum(at::IntArrayRef{1}, /*keepdim=*/true)
            .masked_fill(dice.isnan().all(1, true), unknown);
    }

    const Options o_;
};

}  // namespace

AILAB_REGISTER_METRIC(JaccardIndex, "Intersection over union of predicted and actual, 0 to 1")
AILAB_REGISTER_METRIC(MeanIoU, "Intersection over union, the mean over the classes, 0 to 1")
AILAB_REGISTER_METRIC(DiceScore, "Dice coefficient of predicted and actual, 0 to 1")

}  // namespace ailab
