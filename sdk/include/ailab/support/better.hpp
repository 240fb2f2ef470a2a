#pragma once
#include <optional>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Whether a result is better the greater it is, by its name alone: accuracies and scores are;
/// losses, errors and distances are better when less. Nothing where the name does not tell.
AILAB_API std::optional<bool> greater_is_better_by_name(const std::string& name);

}  // namespace ailab
