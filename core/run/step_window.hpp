#pragma once
#include <cstdint>

namespace ailab {

/// The iterations of a training phase that make one optimizer step.
struct StepWindow {
    int64_t begin = 0, end = 0;
    int64_t dealt = 0;  // samples over all ranks, as the sampler knows
    /// Those of them that could be used: `dealt` until the ranks have told each other.
    int64_t samples = 0;
    int64_t own = 0;  // that could be used on this rank, so far

    int64_t iterations() const { return end - begin; }
};

}  // namespace ailab
