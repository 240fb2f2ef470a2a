#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/random.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// A field of one sample as it will lie in the batch's memory.
struct FieldLayout {
    std::string field;
    std::vector<int64_t> shape;
    at::ScalarType dtype = at::kFloat;
};

/// Changes a sample, one after another as `transforms:` of the dataset lists them. Called from
/// several threads at once; `random` is the sample's own generator.
///
/// Images are fields "input" or "image": an Image until somebody asks for pixels, then a tensor
/// [C, H, W], uint8 (0 … 255) with the memory order H, W, C as a rule. What moves pixels moves
/// those of a field "mask" alike, to the nearest.
class AILAB_API Transform {
  public:
    virtual ~Transform();
    /// Throws BrokenSample for an image that cannot be decoded.
    virtual void apply(Sample& sample, Philox& random) const;

    /// Asked of the last transform that changes samples, in place of apply(): the field that it can
    /// write straight into the batch's memory, or nothing.
    virtual std::optional<FieldLayout> layout(const Sample& sample) const;
    /// Writes that field to `out`, which has the layout's shape and dtype and any strides, and
    /// leaves it out of the sample.
    virtual void write(Sample& sample, Philox& random, Tensor& out) const;

    /// Whether this changes whole batches (Mixup). Those stand last, and apply_batch() is called
    /// after the samples were stacked, in place of apply().
    virtual bool by_batch() const { return false; }
    /// `before` holds the one sample that precedes the batch's first in the global batch, the
    /// last preceding the first: mixing each sample with the one before it gives the same result
    /// for every world size. `random` is the global batch's own, the same on all ranks.
    virtual void apply_batch(Batch& batch, const Batch& before, Philox random) const;
};

}  // namespace ailab
