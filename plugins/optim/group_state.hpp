#pragma once
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// The numbers of the groups that schedules move, for Optimizer::save_state().
Node save_groups(const std::vector<ParamGroup>& groups);
/// `groups` with the saved numbers. Throws Error when they do not fit.
std::vector<ParamGroup> load_groups(const Node* saved, std::vector<ParamGroup> groups);

}  // namespace ailab
