#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Tells the log which rank this is: until then it speaks as the only one. With `world` above 1,
/// warnings and errors carry the rank, and info lines appear on rank 0 alone.
AILAB_API void set_log_rank(int rank, int world);

}  // namespace ailab
