#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "ailab/comm.hpp"

namespace ailab {

/// While one lives, batch norms in training mode take mean and variance over the batch of all
/// ranks: aten::batch_norm itself is replaced, so it holds for any model (Peng et al., "MegDet",
/// CVPR 2018). Gradients of weight and bias are this rank's share, which DDP sums. One at a time.
class SyncBatchNorm {
  public:
    SyncBatchNorm(Comm& comm, c10::DeviceType device);
    ~SyncBatchNorm();
    SyncBatchNorm(const SyncBatchNorm&) = delete;
    SyncBatchNorm& operator=(const SyncBatchNorm&) = delete;

    /// Off for an iteration in which some rank has no samples: it would not take part.
    void set_active(bool active);

  private:
    struct Kernel;
    std::unique_ptr<Kernel> kernel_;
};

}  // namespace ailab
