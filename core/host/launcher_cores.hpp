#pragma once
#include <sched.h>

#include <optional>

namespace ailab {

/// The cores that the mpirun, or its daemon on this host, that started this process may use itself:
/// those that `taskset` or a batch system gave the job. Nothing where there is none among the
/// process's ancestors.
std::optional<cpu_set_t> launcher_cores();

}  // namespace ailab
