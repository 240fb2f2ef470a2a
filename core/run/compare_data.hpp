#pragma once
#include <vector>

#include "phase_data.hpp"

namespace ailab {

/// Ranks that see other data than rank 0 would train on, each with samples and labels of its own.
/// Collective. Throws ConfigError on all ranks, naming the first such rank and what differs.
void compare_data(Job& job, const std::vector<PhaseConfig>& phases,
                  const std::map<Phase, PhaseData>& data);

}  // namespace ailab
