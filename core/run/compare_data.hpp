#pragma once
#include <vector>

#include "phase_data.hpp"

namespace ailab {

/// The digest of each phase's data, {train: {samples: "100", …}, …}: what ranks compare, and what a
/// checkpoint keeps.
Node data_facts(const std::map<Phase, PhaseData>& data);

/// Ranks that see other data than rank 0 would train on, each with samples and labels of its own.
/// `facts`: this rank's data_facts(). Collective. Throws ConfigError on all ranks, naming the first
/// such rank and what differs.
void compare_data(Job& job, const std::vector<PhaseConfig>& phases, const Node& facts);

/// Warns of data that are not what they were in the checkpoint that the run goes on from, whose
/// facts are `saved`. Of data that one of the two has not nothing is said.
void tell_changed_data(const Node& saved, const Node& present);

}  // namespace ailab
