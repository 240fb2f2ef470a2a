#pragma once
#include <cstdlib>
#include <string>

namespace ailab {

/// The rank that a launcher gave this process, for messages from before the ranks have met; ""
/// where none did.
inline std::string launcher_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID", "RANK"})
        if (const char* rank = std::getenv(name)) return rank;
    return "";
}

}  // namespace ailab
