#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// Rates among a schedule's options (and those of its parts) that stand the wrong way round to the
/// configured learning rate: a lowest one above it, a highest one below. PyTorch takes them, and so
/// does the run; a sentence each says what they do. `schedule`: {type: …}, with its defaults.
std::vector<std::string> doubtful_rates(const Node& schedule, double learning_rate);

}  // namespace ailab
