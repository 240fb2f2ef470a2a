#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ailab/run.hpp"

namespace ailab {

/// What the ranks act upon they must have alike, to the bit: else one of them saves a best
/// checkpoint, or stops, and the others do not. Throws Error with the first value that differs and
/// `hint`. Collective.
void check_same_results(const std::vector<std::pair<std::string, double>>& results, Comm& comm,
                        const std::string& hint);

}  // namespace ailab
