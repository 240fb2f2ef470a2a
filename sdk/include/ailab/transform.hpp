#pragma once
#include "ailab/batch.hpp"
#include "ailab/random.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// Changes a sample, one after another as `transforms:` of the dataset lists them. Called from
/// several threads at once; `random` is the sample's own generator.
class AILAB_API Transform {
  public:
    virtual ~Transform();
    virtual void apply(Sample& sample, Philox& random) const = 0;
};

}  // namespace ailab
