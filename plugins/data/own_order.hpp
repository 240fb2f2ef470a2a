#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "ailab/dataset.hpp"

namespace ailab {

/// The order of a shuffled epoch that the dataset wants to be read in; nothing for one that can be
/// read in any.
std::optional<std::vector<int64_t>> own_order(const Dataset& dataset, uint64_t seed, int64_t epoch);

}  // namespace ailab
