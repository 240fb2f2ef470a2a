#pragma once
#include <cstdint>
#include <vector>

#include "ailab/registry.hpp"

namespace ailab {

class Dataset;

/// Gives the order of the whole job; ranks take slices of it. A pure function of its arguments,
/// called from the loader's thread.
///
/// A run's place in the data is the number of samples taken.
class AILAB_API Sampler {
  public:
    virtual ~Sampler();
    /// The sample numbers of one epoch, in order. A number may come several times.
    virtual std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                                       int64_t epoch) const = 0;
    /// How many numbers order() gives.
    virtual int64_t size(const Dataset& dataset) const = 0;
};

/// What batches are asked for with.
struct BatchRequest {
    /// Samples of a batch, over all ranks; in an evaluation, of a batch of one rank.
    int64_t size = 1;
    /// No batch that is smaller.
    bool drop_last = false;
};

/// The batches of an epoch, over all ranks.
struct EpochBatches {
    /// Numbers of samples, batch after batch. A number may come several times.
    std::vector<int64_t> ids;
    /// Where each batch ends in `ids`: one past its last. None is empty.
    std::vector<int64_t> ends;
};

/// A sampler that forms the batches itself, as where samples of similar length are to be together.
/// In training a rank takes its slice of each batch, in an evaluation ranks take batches in turn.
///
/// A run's place in the data is (epoch, batch): it is resumed with the same global batch alone.
class AILAB_API BatchSampler : public Sampler {
  public:
    ~BatchSampler() override;
    /// Each epoch has as many batches and as many samples as any other. Batches may be of any size,
    /// as where their tokens are counted; `request.size` is what the configuration asks for.
    virtual EpochBatches batches(const Dataset& dataset, uint64_t seed, int64_t epoch,
                                 const BatchRequest& request) const = 0;

    /// Those of batches of one sample.
    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed, int64_t epoch) const final;
    int64_t size(const Dataset& dataset) const final;
};

}  // namespace ailab
