#pragma once
#include <string>

#include "ailab/backend.hpp"

namespace ailab {

/// Reads who started this process from the environment: OMPI_*, RANK+WORLD_SIZE, SLURM_* with
/// NTASKS > 1, else single. `forced` is --launcher ("" for none). Throws ConfigError when two of them
/// disagree on rank or size.
Placement detect_placement(const std::string& forced = "");

}  // namespace ailab
