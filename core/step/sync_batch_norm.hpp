#pragma once
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "ailab/comm.hpp"

namespace ailab {

struct BatchNormSums;

/// While a Section lives, batch norms that train take mean and variance over the samples of all
/// ranks: aten::batch_norm itself is replaced, so it holds for any model (Peng et al., "MegDet",
/// CVPR 2018). Gradients of weight and bias are this rank's share, which DDP sums; derivatives of
/// any order are right. Instance norms, which go through the same operation, stay each sample's
/// own.
///
/// One sample on a rank is enough, although its one value a channel has no variance. A rank without
/// samples runs no model: it follows what the others sum, adding nothing, and keeps its running
/// statistics in step. One object at a time; main thread.
class SyncBatchNorm {
  public:
    /// `modules`: all that hold batch norms.
    SyncBatchNorm(Comm& comm, c10::Device device, const std::vector<torch::nn::Module*>& modules);
    ~SyncBatchNorm();
    SyncBatchNorm(const SyncBatchNorm&) = delete;
    SyncBatchNorm& operator=(const SyncBatchNorm&) = delete;

    /// Before a training iteration: the samples of this rank, and how many ranks have any.
    void begin(int64_t samples, int ranks_with_samples);
    /// Whether some ranks follow the others in this iteration. Then no other collective may be
    /// launched before a section's end.
    bool uneven() const;

    /// A part of a training step whose batch norms are summed: a forward or a backward pass.
    class Section {
      public:
        /// nullptr: as if there were none.
        explicit Section(SyncBatchNorm* norms);
        ~Section();
        Section(const Section&) = delete;
        Section& operator=(const Section&) = delete;
        /// At the end of a pass and before any other collective: a rank without samples follows
        /// the others until they are here too.
        void meet();

      private:
        SyncBatchNorm* const norms_;
    };

  private:
    std::unique_ptr<BatchNormSums> sums_;
};

}  // namespace ailab
