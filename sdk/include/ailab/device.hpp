#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "ailab/backend.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// A kind of device that models run on.
class AILAB_API Device {
  public:
    virtual ~Device();
    /// cpu, cuda, …
    virtual c10::DeviceType type() const = 0;
    virtual Availability available(const RankInfo& rank_info) const = 0;
    /// Takes the device of this rank (the local rank's GPU) and makes it current.
    virtual c10::Device select(const RankInfo& rank_info) = 0;
    virtual void synchronize() {}
    /// Peak memory in bytes: device memory on a GPU, the process's peak resident set on a CPU.
    virtual int64_t peak_memory() const = 0;
    /// Whether batches should lie in pinned memory, and how to get it there.
    virtual bool pins_memory() const { return false; }
    virtual at::Tensor pin(const at::Tensor& tensor) { return tensor; }
    /// The default generator of the framework.
    virtual void seed(uint64_t seed) = 0;
    virtual at::Tensor rng_state() const = 0;
    virtual void set_rng_state(const at::Tensor& state) = 0;
};

}  // namespace ailab
