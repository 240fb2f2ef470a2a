#pragma once
// The names of a model's classes, by their numbers, beside its weights.
#include <string>
#include <vector>

#include "ailab/node.hpp"
#include "safetensors.hpp"

namespace ailab {

/// Among the facts of a manifest, or in the description of an exported model. Empty where it says
/// nothing.
std::vector<std::string> classes_in(const Node& facts);
/// Puts them there.
void put_classes(Node& facts, const std::vector<std::string>& names);

/// Puts them into the metadata of a .safetensors file; none are left out.
void put_classes(Metadata& metadata, const std::vector<std::string>& names);

/// Those that the weights at `path` were trained with: what the manifest of a checkpoint's folder
/// says, also of the weights in it, or what a .safetensors or .pth file of this program says
/// itself. Empty where nothing is said, and for files that cannot be read: who reads the weights
/// says why.
std::vector<std::string> trained_classes(const std::string& path);

}  // namespace ailab
