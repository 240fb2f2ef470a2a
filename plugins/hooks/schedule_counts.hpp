#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// Times among a schedule's options (and those of its parts) that cannot be meant in what it
/// counts: total_iters in iterations where epochs are counted, or the other way round. A sentence
/// each, which says how the number is understood, and what to write. `schedule`: {type: …}, with
/// its defaults; `run`: the lengths of the whole run.
std::vector<std::string> doubtful_times(const Node& schedule, bool by_epoch, const Progress& run);

}  // namespace ailab
