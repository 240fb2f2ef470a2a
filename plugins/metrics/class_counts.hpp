#pragma once
// Metrics that follow from three counts a class: predicted and right, predicted, actual.
#include <map>
#include <string>
#include <vector>

#include "class_input.hpp"

namespace ailab {

struct ClassCount {
    double hit = 0;
    double predicted = 0;
    double actual = 0;
};

struct AverageOptions : ClassMetricOptions {
    std::string average;

    explicit AverageOptions(std::string usual) : average(std::move(usual)) {}
    void visit(OptionVisitor& v) {
        ClassMetricOptions::visit(v);
        v.option(
            "average", average,
            "micro: of all classes' counts; macro: mean over the classes that occur; weighted: "
            "by the classes' samples; none: a result for each class",
            one_of({"micro", "macro", "weighted", "none"}));
    }
};

/// A ratio of a class's counts; `empty` where it is 0 / 0.
using ClassRatio = double (*)(const ClassCount& count, double empty);
double precision(const ClassCount& count, double empty);
double recall(const ClassCount& count, double empty);
double f1(const ClassCount& count, double empty);  // the Dice coefficient
double jaccard(const ClassCount& count, double empty);

/// Rows of [3, C], int64 on the CPU.
std::vector<ClassCount> class_counts(const Tensor& counts);
/// The average that AverageOptions describe, as torchmetrics has it: 0 / 0 counts as 0, and a class
/// that was neither predicted nor occurs is left out of the macro average; a label is not.
std::map<std::string, double> averaged(const std::vector<ClassCount>& counts,
                                       const std::string& average, ClassRatio ratio, bool labels);

/// {"0": v, "1": v, …}, or {"": v} for a single number.
std::map<std::string, double> by_class(const std::vector<double>& values);
/// What a metric without samples gives: a number for each class if they are known.
std::map<std::string, double> nothing_known(const TaskOptions& options, bool each_class);

/// Sums the three counts of each class over the data set.
class ClassCountMetric : public ClassMetric {
  public:
    /// All ratios of these counts are shares of what is right.
    std::optional<bool> greater_is_better() const override { return true; }
    void update(const Tensor& output, const Tensor& target) final { take(o_, output, target); }

  protected:
    ClassCountMetric(std::string who, const ClassMetricOptions& options);
    void add_batch(const ClassInput& input) final;

    struct Counts {
        /// One a class or label; empty when there were no samples.
        std::vector<ClassCount> of_class;
        bool labels = false;
    };
    /// Checks the targets.
    Counts counted(const std::map<std::string, Tensor>& states) const;

  private:
    const ClassMetricOptions o_;
};

}  // namespace ailab
