#pragma once
#include <map>
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

using MetricStates = std::map<std::string, Tensor>;

/// The states of several metrics summed over all ranks, on the CPU: one collective for the float64
/// and one for the int64 ones, whatever their number. Collective.
std::vector<MetricStates> sum_states(const std::vector<Metric*>& metrics, Comm& comm);

}  // namespace ailab
