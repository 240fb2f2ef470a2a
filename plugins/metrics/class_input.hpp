#pragma once
// The forms in which metrics of classification and segmentation take outputs and targets.
#include <optional>
#include <string>
#include <vector>

#include "counting.hpp"
#include "logits.hpp"
#include "options/limits.hpp"

namespace ailab {

/// Names are torchmetrics'.
struct TaskOptions {
    std::string task = "auto";
    std::optional<int64_t> num_classes;
    std::optional<int64_t> ignore_index;
    bool classes_last = false;

    void visit(OptionVisitor& v) {
        v.option("task", task,
                 "what the targets are: one class of several (class numbers, or probabilities of "
                 "all classes, of which the highest counts), yes or no, or yes or no for each of "
                 "several labels; labels: the last two, where the output's shape is the target's; "
                 "auto: labels if the loss is one of labels (BCEWithLogitsLoss, …), else as the "
                 "shapes say, where real targets of the output's shape are probabilities if those "
                 "of each sample sum to 1, and labels if all are 0 or 1",
                 one_of({"auto", "labels", "multiclass", "binary", "multilabel"}));
        v.option("num_classes", num_classes,
                 "classes, or labels if multilabel; by default size 1 of the output", size_from(1));
        v.option("ignore_index", ignore_index,
                 "targets of this number are left out; by default those that the loss ignores");
        v.option("classes_last", classes_last,
                 "the output is [N, …, classes], as language models have it, not [N, classes, …]");
    }
};

/// Of metrics of probabilities.
struct LogitsOptions : TaskOptions {
    Logits logits = Logits::automatic;

    void visit(OptionVisitor& v) {
        TaskOptions::visit(v);
        v.option(
            "logits", logits,
            "whether the outputs are logits, of which the softmax (labels: the sigmoid) is "
            "taken; auto: as the loss means them, and where it does not tell, if any output of "
            "the evaluation lies outside of 0 to 1");
    }
};

/// Of metrics of what is predicted: the class of the highest score, labels above a threshold.
struct ClassMetricOptions : LogitsOptions {
    double threshold = 0.5;

    void visit(OptionVisitor& v) {
        LogitsOptions::visit(v);
        v.option("threshold", threshold,
                 "binary and multilabel: a probability above it means yes; with logits: false an "
                 "output above it, whatever it is");
        v.rule([this] {
            const bool probability = threshold > 0 && threshold < 1;
            return logits == Logits::no || probability
                       ? std::string()
                       : concat(
                             "threshold is a probability, above 0 and below 1, of logits too "
                             "(0.5 is the logit 0); got ",
                             threshold, ". To compare outputs as they are, set logits: false");
        });
    }
};

/// What a metric can do with a batch.
struct ClassUses {
    /// Several labels, each yes or no.
    bool several_labels = true;
    /// Predicted class numbers without num_classes: ClassInput::classes is 0 then.
    bool uncounted_classes = false;
};

/// A batch in one of two forms, after checks of its shapes.
///
/// Classes: output [N, C, …] holds scores and target [N, …] class numbers, or [N, C, …]
/// probabilities of the classes; or both hold class numbers, [N, …]. Labels (a binary task has
/// one): output and target [N, L, …], or [N, …] if binary, targets 0 or 1. A channel of one in the
/// target, [N, 1, …], is dropped.
struct ClassInput {
    bool labels = false;
    /// What stands before the names of the states: "" unless the batch can be read in several ways.
    std::string prefix;
    /// C or L.
    int64_t classes = 0;
    /// Of classes: [N, C, M], or class numbers [N, M]. Of labels: [N, L, M].
    Tensor output;
    /// int64, [N, M] or [N, L, M]; -1 is left out.
    Tensor target;
    /// Of labels, where there is a threshold: which are said to be yes, bool [N, L, M].
    Tensor predicted;
    /// How many targets are neither a class nor left out: an int64 scalar on their device.
    Tensor invalid;

    bool has_scores() const { return labels || output.dim() == 3; }
};

/// The class numbers with the highest scores: [N, M].
Tensor predicted_classes(const ClassInput& input);

/// For each sample (or for all together: S = 1) and class: how often it was predicted and right,
/// predicted, and actual. int64 [3, S, C].
Tensor count_classes(const ClassInput& input, bool each_sample);

/// A metric of classes or labels. Real targets of the output's shape can be probabilities of the
/// classes (one-hot, or mixed by Mixup) or labels; which, only the targets of the whole evaluation
/// tell. Whether labels above a threshold are probabilities or logits, only all outputs tell. So
/// such batches are counted in each way, and compute() takes the one that fits.
class ClassMetric : public CountingMetric {
  protected:
    explicit ClassMetric(std::string who, ClassUses uses = {});

    /// Hands the batch to add_batch(). Throws Error with the shapes when they do not fit the task;
    /// on the CPU also for targets that are none of the classes.
    void take(const TaskOptions& options, const Tensor& output, const Tensor& target);
    /// The same with labels predicted by the threshold.
    void take(const ClassMetricOptions& options, const Tensor& output, const Tensor& target);
    /// Adds to states whose names begin with input.prefix.
    virtual void add_batch(const ClassInput& input) = 0;

    /// The prefix of the states that count. Throws Error if there were targets that do not fit.
    std::string fitting(const std::map<std::string, Tensor>& states) const;
    [[noreturn]] void refuse_targets(int64_t number) const;

    const std::string& who() const { return who_; }

  private:
    void take(const TaskOptions& options, const ClassMetricOptions* cut, const Tensor& output,
              const Tensor& target);
    void add_labels(const ClassMetricOptions& options, ClassInput input);
    std::string form(const std::map<std::string, Tensor>& states) const;

    const std::string who_;
    const ClassUses uses_;
    bool has_shares_ = false;  // there were real targets of the output's shape
};

}  // namespace ailab
