#pragma once
// What is known of a model's classes, beside its weights.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ailab/node.hpp"
#include "safetensors.hpp"

namespace ailab {

/// What the training data said of their classes.
struct ClassFacts {
    /// By their numbers; empty where they have none.
    std::vector<std::string> names;
    std::optional<int64_t> count;
    /// Told by numbers alone; false also where nothing is known.
    bool are_numbers = false;

    bool is_known() const { return !names.empty() || are_numbers; }
    bool operator==(const ClassFacts&) const = default;
};

/// Among the facts of a manifest, or in the description of an exported model. Of earlier ones the
/// names alone are known.
ClassFacts classes_in(const Node& facts);
/// Puts them there.
void put_classes(Node& facts, const ClassFacts& classes);

/// Puts them into the metadata of a .safetensors file, if anything is known.
void put_classes(Metadata& metadata, const ClassFacts& classes);

/// Those that the weights at `path` were trained with: what the manifest of a checkpoint's folder
/// says, also of the weights in it, or what a .safetensors or .pth file of this program says
/// itself. Not known where nothing is said, and for files that cannot be read: who reads the
/// weights says why.
ClassFacts trained_classes(const std::string& path);

/// The task that they were trained for, {type: …}, where the training's configuration named one;
/// else null. The same of weights at `path`.
Node trained_task(const std::string& path);
/// Among the facts of a manifest, or in a description.
inline constexpr const char* task_key = "task";

}  // namespace ailab
