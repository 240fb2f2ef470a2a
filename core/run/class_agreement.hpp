#pragma once
// That a class has one number in all data of a run, in the model's outputs and in its checkpoints.
#include <string>
#include <vector>

#include "modules.hpp"

namespace ailab {

/// Numbers the classes of val and test data as those of the training data (when weights are tested:
/// as those that `trained` names), where they have names and only a part of them. What then
/// differs, and labels beyond the classes or the model's outputs, go to `problems`, each with the
/// place of the label. A line for the log goes to `modules.notes`.
void agree_on_classes(const RunConfig& config, const std::vector<std::string>& trained,
                      Modules& modules, Problems& problems);

/// The names of the classes that the weights at `path` were trained with, by their numbers: what
/// the manifest of a checkpoint's folder says. Empty where it says nothing, and for other files.
std::vector<std::string> trained_classes(const std::string& path);

/// The same among the facts of a manifest.
std::vector<std::string> classes_in(const Node& facts);
/// Puts them there.
void put_classes(Node& facts, const std::vector<std::string>& names);

/// Throws Error unless a run that goes on has the classes of its checkpoint.
void check_resumed_classes(const std::vector<std::string>& saved,
                           const std::vector<std::string>& present);

}  // namespace ailab
