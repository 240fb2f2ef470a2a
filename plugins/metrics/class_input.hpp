#pragma once
// The forms in which metrics of classification and segmentation take outputs and targets.
#include <optional>
#include <string>

#include "counting.hpp"

namespace ailab {

/// Names are torchmetrics'.
struct TaskOptions {
    std::string task = "auto";
    std::optional<int64_t> num_classes;
    std::optional<int64_t> ignore_index;

    void visit(OptionVisitor& v) {
        v.option("task", task,
                 "what the targets are: one class of several, yes or no, or yes or no for each of "
                 "several labels; auto: as the shapes say",
                 one_of({"auto", "multiclass", "binary", "multilabel"}));
        v.option("num_classes", num_classes,
                 "classes, or labels if multilabel; by default size 1 of the output", at_least(1));
        v.option("ignore_index", ignore_index, "targets of this number are left out");
    }
};

struct ClassOptions : TaskOptions {
    double threshold = 0.5;

    void visit(OptionVisitor& v) {
        TaskOptions::visit(v);
        v.option("threshold", threshold,
                 "binary and multilabel: an output above it means yes (0 for logits)");
    }
};

/// A batch in one of two forms, after checks of its shapes.
///
/// Classes: output [N, C, …] holds scores and target [N, …] class numbers; or both hold class
/// numbers, [N, …]. Labels (a binary task has one): output and target [N, L, …], or [N, …] if
/// binary, targets 0 or 1.
struct ClassInput {
    bool labels = false;
    /// C or L.
    int64_t classes = 0;
    /// Of classes: [N, C, M], or class numbers [N, M]. Of labels: [N, L, M].
    Tensor output;
    /// int64, [N, M] or [N, L, M]; -1 is left out.
    Tensor target;
    /// How many targets are neither a class nor left out: an int64 scalar on their device. Summed
    /// as a state and looked at in the end, since looking now would wait for the device.
    Tensor invalid;

    bool has_scores() const { return labels || output.dim() == 3; }
};

/// Throws Error with the shapes when they do not fit the task.
ClassInput class_input(const std::string& who, const TaskOptions& options, const Tensor& output,
                       const Tensor& target);

/// The class numbers with the highest scores: [N, M].
Tensor predicted_classes(const ClassInput& input);

/// For each sample (or for all together: S = 1) and class: how often it was predicted and right,
/// predicted, and actual. int64 [3, S, C].
Tensor count_classes(const ClassInput& input, double threshold, bool each_sample);

/// Throws Error if the state "invalid" says that there were such targets.
void check_targets(const std::string& who, const std::map<std::string, Tensor>& states);

}  // namespace ailab
