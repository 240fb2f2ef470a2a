#pragma once
// That a class has one number in all data of a run, in the model's outputs and in its checkpoints.
#include <string>
#include <vector>

#include "checkpoint/class_names.hpp"
#include "modules.hpp"

namespace ailab {

/// Numbers the classes of val and test data as those of the training data (when weights are tested:
/// as those that `trained` names), where they have names and only a part of them. What then
/// differs, and labels beyond the classes or the model's outputs, go to `problems`, each with the
/// place of the label. A line for the log goes to `modules.notes`.
void agree_on_classes(const RunConfig& config, const std::vector<std::string>& trained,
                      Modules& modules, Problems& problems);

/// What to tell where nothing says how a model's classes are numbered and `data` ("data.val"),
/// whose classes are `names`, have fewer than its outputs; or "".
std::string unknown_numbering(const std::string& data, const std::vector<std::string>& names,
                              const RunConfig& config);

/// Throws Error unless a run that goes on has the classes of its checkpoint.
void check_resumed_classes(const std::vector<std::string>& saved,
                           const std::vector<std::string>& present);

}  // namespace ailab
