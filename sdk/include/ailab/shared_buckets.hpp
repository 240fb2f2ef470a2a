#pragma once
// What a c10d::Backend may offer beside its collectives: memory that all ranks of a host share, so
// that gradients are summed where they lie.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ailab/export.hpp"

namespace ailab {

/// Implemented by a c10d::Backend that reduces in place; found by dynamic_cast.
class AILAB_API SharedBuckets {
  public:
    virtual ~SharedBuckets() = default;
    /// A uint8 CPU tensor of `bytes` bytes, aligned to 64, in this rank's part of the shared
    /// memory. An all-reduce of a tensor that lies in it is done in place, without staging.
    /// Collective: all ranks ask for the same sizes in the same order. An undefined tensor (on all
    /// ranks alike) when there is no room: the caller then takes memory of its own.
    virtual at::Tensor allocate_bucket(int64_t bytes) = 0;
};

}  // namespace ailab
