#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Begins the log of a run on this rank: with `world` above 1, warnings and errors carry the rank,
/// and info lines appear on rank 0 alone. Until the first log_to_file() the lines are kept for that
/// file.
AILAB_API void set_log_rank(int rank, int world);

}  // namespace ailab
