#pragma once
#include <cstdint>

namespace ailab {

/// The training iterations that make one optimizer step, and how far it has come.
struct AccumulationWindow {
    /// Of the optimizer, in the whole run.
    int64_t step = 0;
    int64_t iterations = 0;
    int64_t done = 0;
    int64_t assigned = 0;  // samples over all ranks, as the sampler knows
    /// Those of them that could be used: `assigned` until the ranks have told each other.
    int64_t samples = 0;
    int64_t own = 0;  // that could be used on this rank, so far

    bool in_first() const { return done == 0; }
    bool in_last() const { return done + 1 == iterations; }
};

}  // namespace ailab
