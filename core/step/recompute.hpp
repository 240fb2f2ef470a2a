#pragma once
// `runtime.recompute`: activations of blocks are computed again in the backward pass (Chen et al.,
// "Training Deep Nets with Sublinear Memory Cost", https://arxiv.org/abs/1604.06174).
#include <optional>
#include <string>

#include "block_scope.hpp"

namespace ailab {

/// Runs a block and keeps nothing of it but its inputs, and what else it depended on: generators,
/// autocast, which modules train, buffers that it changes. The backward pass puts all that back,
/// runs the block again, now keeping its graph, and derives that. The outer pass sees one node,
/// whose edges lead to the inputs and to the parameters that the block used; so it alone adds to
/// their gradients, and their hooks are called once. Without gradients, and in a traced graph, a
/// block runs as it is.
///
/// The numbers are those of the usual pass, to the bit. Only where a tensor is used several times
/// inside a block, and outside it too, are the same summands added in another order.
BlockPolicy& recomputation();

/// Whether this thread runs a block for the second time: what a forward pass leaves behind has been
/// left already.
bool is_recomputing();

/// A run's `runtime.recompute`.
class Recompute {
  public:
    /// `model`: how messages call it.
    explicit Recompute(std::string model) : model_(std::move(model)) {}

    /// A forward pass of training.
    class Section {
      public:
        /// nullptr: as if there were none.
        explicit Section(Recompute* recompute);
        /// At the end of a pass over samples. The first one tells how many blocks there are.
        void done() const;

      private:
        Recompute* const recompute_;
        std::optional<BlockScope> scope_;
    };

  private:
    const std::string model_;
    bool told_ = false;
};

}  // namespace ailab
