#pragma once
// That a class has one number in all data of a run, in the model's outputs and in its checkpoints.
#include <string>
#include <vector>

#include "checkpoint/class_names.hpp"
#include "modules.hpp"

namespace ailab {

/// What is kept of the classes of `dataset`, the training data. What a loss or a metric ignores is
/// none.
ClassFacts class_facts(const Dataset& dataset, const RunConfig& config);

/// Numbers the classes of val and test data as those of the training data (when weights are tested:
/// as those that they were `trained` with), where they have names and only a part of them. What
/// then differs, and labels that are negative or beyond the set's own classes, those of the
/// training data or the model's outputs, and are not ignored by the loss or a metric, go to
/// `problems`, each with the place of the label. A line for the log goes to `modules.notes`.
void agree_on_classes(const RunConfig& config, const ClassFacts& trained, Modules& modules,
                      Problems& problems);

/// Labels that are mixed by batches (Mixup) become shares of as many classes as the model tells
/// apart; another number goes to `problems`.
void check_mixed_classes(const RunConfig& config, const Modules& modules, Problems& problems);

/// What to tell where nothing says how a model's classes are numbered and `data` ("data.val"),
/// whose classes are `names`, have fewer than its outputs; or "".
std::string unknown_numbering(const std::string& data, const std::vector<std::string>& names,
                              const RunConfig& config);

/// Throws Error unless a run that goes on has the classes of its checkpoint.
void check_resumed_classes(const ClassFacts& saved, const ClassFacts& present);

}  // namespace ailab
