#pragma once
#include <optional>
#include <string>

#include "ailab/backend.hpp"
#include "cpu_quota.hpp"

namespace ailab {

struct ThreadPlan {
    int compute = 1;  // threads of tensor operations
    int loader = 1;   // threads that make batches, where samples are made one by one
    std::string why;  // one line for the log
};

/// Sizes a rank's threads from the cores it may use and the ranks that share the host. mpirun binds
/// each of one or two ranks to one core by default: such an accidental binding is widened to what
/// mpirun may use itself, unless it is the rank's fair share of that. A `quota` of time (a
/// container's) is shared by the host's ranks. `wanted` > 0 (runtime.threads), then
/// OMP_NUM_THREADS, override the choice. Sets ATen's thread count. Throws ConfigError for an
/// OMP_NUM_THREADS of more than `most_threads`.
ThreadPlan plan_threads(const RankInfo& rank_info, int wanted,
                        std::optional<double> quota = cpu_quota());

/// For commands of one process: no more of ATen's threads than the quota has cores. Throws as
/// plan_threads() does.
void keep_threads_to_quota();

/// Seconds since this process was started (the kernel's clock, 10 ms), or, where there is no /proc,
/// since this library was loaded.
double seconds_since_process_start();

}  // namespace ailab
