#pragma once
#include <cstdint>
#include <vector>

#include "ailab/registry.hpp"

namespace ailab {

class Dataset;

/// Deals the order of the whole job; ranks take slices of it. A pure function of its arguments,
/// called from the loader's thread.
class AILAB_API Sampler {
  public:
    virtual ~Sampler();
    /// The sample numbers of one epoch, in order. A number may come several times.
    virtual std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                                       int64_t epoch) const = 0;
    /// How many numbers order() gives.
    virtual int64_t size(const Dataset& dataset) const = 0;
};

}  // namespace ailab
