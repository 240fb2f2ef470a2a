#pragma once
#include <optional>
#include <string>

namespace ailab {

/// How many cores' worth of time the control groups of this process (a container's, a batch job's)
/// leave it: the least of `cpu.max` (version 2), or `cpu.cfs_quota_us` (version 1), from its own
/// group up to the root of what it sees. Nothing where none is set. `root`: where /proc and /sys
/// are, for tests.
std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace ailab
