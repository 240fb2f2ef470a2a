#pragma once
#include <string>
#include <vector>

#include "ailab/backend.hpp"

namespace ailab {

/// What `local_rank` and `local_size` are while the launcher has not told them: Job::start() finds
/// them by asking the other ranks.
inline constexpr int unknown_local_rank = -1;
inline constexpr int unknown_local_size = 0;

/// What --launcher takes.
AILAB_API const std::vector<std::string>& launcher_names();

/// Reads who started this process from the environment: OMPI_*, RANK+WORLD_SIZE, SLURM_* with
/// NTASKS > 1, else single. `forced` is --launcher ("" for none). Throws ConfigError when two of
/// them disagree on rank or size. Slurm's variables also reach what mpirun or torchrun start inside
/// a Slurm job; those two then count alone.
AILAB_API RankInfo detect_rank_info(const std::string& forced = "");

}  // namespace ailab
