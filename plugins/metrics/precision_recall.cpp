// Precision, recall and their harmonic mean, F1 (van Rijsbergen, Information Retrieval, 1979).
#include "class_counts.hpp"

namespace ailab {
namespace {

class AveragedRatio : public ClassCountMetric {
  public:
    struct Options : AverageOptions {
        Options() : AverageOptions("micro") {}
    };

    std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const override {
        const auto [counts, labels] = counted(states);
        if (counts.empty()) return nothing_known(o_, o_.average == "none");
        return averaged(counts, o_.average, ratio_, labels);
    }

  protected:
    AveragedRatio(const std::string& who, const Options& options, ClassRatio ratio)
        : ClassCountMetric(who, options), o_(options), ratio_(ratio) {}

  private:
    const Options o_;
    const ClassRatio ratio_;
};

class Precision final : public AveragedRatio {
  public:
    explicit Precision(const Options& options) : AveragedRatio("Precision", options, precision) {}
};

class Recall final : public AveragedRatio {
  public:
    explicit Recall(const Options& options) : AveragedRatio("Recall", options, recall) {}
};

class F1Score final : public AveragedRatio {
  public:
    explicit F1Score(const Options& options) : AveragedRatio("F1Score", options, f1) {}
};

}  // namespace

AILAB_REGISTER_METRIC(Precision, "Share of the predictions of a class that are right, 0 to 1")
AILAB_REGISTER_METRIC(Recall, "Share of the samples of a class that are found, 0 to 1")
AILAB_REGISTER_METRIC(F1Score, "Harmonic mean of precision and recall, 0 to 1")

}  // namespace ailab
