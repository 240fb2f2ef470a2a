#pragma once
// Keyed random numbers: the same key gives the same numbers on every rank, thread and machine, so
// nothing depends on how many workers there are or in what order they run.
#include <cstdint>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), keyed by
/// (seed, a, b). Cheap to make and to copy; not thread-safe.
class AILAB_API Philox {
  public:
    explicit Philox(uint64_t seed, uint64_t a = 0, uint64_t b = 0);

    uint32_t next();
    uint64_t next64();
    /// Uniform in [0, 1), 53 random bits.
    double uniform();
    double uniform(double low, double high) { return low + (high - low) * uniform(); }
    /// Uniform in 0 … n-1, without bias (Lemire 2019). n >= 1.
    uint64_t below(uint64_t n);
    /// Normal by Box-Muller.
    double normal(double mean = 0, double std = 1);
    bool chance(double probability) { return uniform() < probability; }

    /// The raw function: 4 words from a counter of 4 words and a key of 2.
    static void block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

  private:
    uint32_t key_[2];
    uint32_t counter_[4];
    uint32_t words_[4];
    int used_ = 4;
};

/// A permutation of 0 … n-1 (Fisher-Yates), a function of (seed, epoch) alone.
AILAB_API std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t epoch);

}  // namespace ailab
