#pragma once
#include "distributed/job.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// Makes sure that all ranks run the same: the same configuration, the same builds of the same
/// plugins. Where a plugin's file lies, and by what path a rank reaches its data, is its own
/// affair; a difference of such a path is logged. Collective, over the store. Throws ConfigError
/// that names the keys, Error for a plugin.
void compare_ranks(Job& job, const RunConfig& config);

}  // namespace ailab
