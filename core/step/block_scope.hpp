#pragma once
#include "ailab/block.hpp"

namespace ailab {

/// What the training step does around each block of a model (ailab::block).
class BlockPolicy {
  public:
    virtual ~BlockPolicy() = default;
    /// Runs a block where the model calls it, and returns its outputs. Passes on what it throws.
    virtual std::vector<Tensor> run(const std::shared_ptr<detail::BlockBody>& body,
                                    const std::vector<Tensor>& inputs) = 0;
};

/// While it lives, blocks that this thread comes to are run by `policy`, which outlives it. Scopes
/// nest.
class BlockScope {
  public:
    explicit BlockScope(BlockPolicy& policy);
    ~BlockScope();
    BlockScope(const BlockScope&) = delete;
    BlockScope& operator=(const BlockScope&) = delete;

    /// The blocks that were run in it.
    int64_t blocks() const { return blocks_; }

  private:
    friend std::vector<Tensor> detail::run_block(const std::shared_ptr<detail::BlockBody>& body,
                                                 const std::vector<Tensor>& inputs);

    BlockPolicy& policy_;
    BlockScope* const outer_;
    int64_t blocks_ = 0;
};

}  // namespace ailab
