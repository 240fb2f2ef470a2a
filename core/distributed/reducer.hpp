#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <memory>
#include <string>
#include <vector>

#include "step_number.hpp"

namespace ailab {

/// A parameter of a module tree: one tensor, under however many names (see step/parameters.hpp).
struct NamedParameter {
    std::string name;
    at::Tensor tensor;
    /// The other names of the same tensor.
    std::vector<std::string> aliases = {};
};

/// Distributed gradients (DDP): gradients are views into flat buckets of a fixed order (reverse
/// registration), summed over all ranks while backward still runs. Bits are equal on all ranks and
/// from run to run. Main thread.
class Reducer {
  public:
    /// `parameters` in registration order, each tensor once; those that require no gradient are
    /// left out. Sets post-accumulate-grad hooks on them.
    static std::unique_ptr<Reducer> create(std::vector<NamedParameter> parameters,
                                           c10::intrusive_ptr<c10d::Backend> backend,
                                           double bucket_mb);
    virtual ~Reducer() = default;

    /// Before a step's first backward: drops the last step's gradients. (The first backward's
    /// gradient is copied into the bucket's view, later ones are added there: that needs neither
    /// clearing nor a second pass.)
    virtual void begin() = 0;
    /// The next backward is this step's last one: reduce what it completes. (Earlier micro-batches
    /// only accumulate.)
    virtual void arm() = 0;
    /// Reduces the rest (a rank without samples calls it without a backward) and waits for all of
    /// it as far as the backend does; nothing is read from a device. `numbers` (at most 8: flags,
    /// weights) are summed along: they become their sums, which stay on the device where the
    /// gradients are. They travel in the last bucket's dtype, float32 for float32 parameters.
    /// Afterwards gradients are views into the buckets, valid until the next begin().
    virtual void reduce(std::vector<StepNumber>& numbers) = 0;
    /// After reduce(): the sums on the host. Waits for the reduction, not for what a device was
    /// given since. From here on parameters that no rank used have no gradient; until then theirs
    /// is 0.
    virtual const std::vector<double>& read() = 0;
    /// Both at once.
    std::vector<double> finish(const std::vector<double>& numbers);
    /// After reduce(): multiplies all gradients, a bucket at a time.
    virtual void scale(double factor) = 0;
    /// After reduce(): whether this rank had a gradient of every parameter, so that none is unused,
    /// whatever the others had.
    virtual bool complete() const = 0;
    /// After read(): names of parameters that no rank used in this step.
    virtual const std::vector<std::string>& unused() const = 0;
    /// Whether gradients are summed where they lie, in memory that the ranks share (SharedBuckets).
    virtual bool in_place() const = 0;
    /// For the log: buckets and bytes.
    virtual std::string describe() const = 0;
};

}  // namespace ailab
