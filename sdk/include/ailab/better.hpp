#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Whether less of a result is better, by its name alone: losses, errors and distances. All else
/// (accuracies, scores) is better the greater it is.
AILAB_API bool less_is_better_by_name(const std::string& name);

}  // namespace ailab
