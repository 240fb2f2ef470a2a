#pragma once
// What hooks may do with the other ranks. Collectives: all ranks must call them in the same order,
// on the main thread.
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

class AILAB_API Comm {
  public:
    virtual ~Comm();
    virtual int rank() const = 0;
    virtual int world_size() const = 0;
    /// Rank and count among the ranks of this host.
    virtual int local_rank() const = 0;
    virtual int local_size() const = 0;
    /// Sums in place, over all ranks. Any dtype that the backend takes; float64 and int64 always.
    virtual void all_reduce_sum(at::Tensor& tensor) = 0;
    virtual void all_reduce_max(at::Tensor& tensor) = 0;
    virtual void all_reduce_min(at::Tensor& tensor) = 0;
    virtual void broadcast(at::Tensor& tensor, int root = 0) = 0;
    /// Puts every rank's `piece` into `whole`, in the order of ranks: dense tensors of one dtype on
    /// one device, `whole` of world_size() times as many elements.
    virtual void all_gather(at::Tensor& whole, const at::Tensor& piece);
    /// Sums `whole` over all ranks, and leaves this rank its part of the sum: the other way round.
    virtual void reduce_scatter_sum(at::Tensor& piece, const at::Tensor& whole);
    /// Rank 0's text to everyone.
    virtual std::string broadcast_text(const std::string& text) = 0;
    /// Each rank's text, in the order of ranks, on every rank.
    virtual std::vector<std::string> gather_text(const std::string& text) = 0;
    virtual void barrier() = 0;
};

}  // namespace ailab
