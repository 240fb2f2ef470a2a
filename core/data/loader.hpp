#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"
#include "ailab/sampler.hpp"
#include "ailab/transform.hpp"
#include "batch_plan.hpp"

namespace ailab {

struct LoaderOptions {
    std::shared_ptr<const Dataset> dataset;
    std::shared_ptr<const Sampler> sampler;
    std::vector<std::shared_ptr<const Transform>> transforms;
    BatchPlan plan;
    SampleContext context;  // its epoch is set by the loader
    int workers = 1;        // threads, at least 1
    int prefetch = 2;       // batches made ready ahead; small whole batches: more, see loader.cpp
    bool channels_last = false;
    at::ScalarType dtype = at::kFloat;  // of floating-point fields
    std::string name;                   // "data.train": for messages
};

/// Deals batches in order, made ahead by threads. An endless stream over epochs: the next epoch's
/// first batches are made while the present one ends. The threads start with the first next().
class Loader {
  public:
    explicit Loader(LoaderOptions options);
    ~Loader();

    /// The stream goes on from here. Before the first next().
    void seek(int64_t epoch, int64_t iteration);

    /// The next batch of this rank. Rethrows what making it threw, with the sample named.
    Batch next();
    /// Gives a batch's memory back for reuse. Tensors that somebody still holds are left alone.
    void recycle(Batch batch);

    const BatchPlan& plan() const;
    /// Where the stream stands: of the batch that next() returns next.
    int64_t epoch() const;
    int64_t iteration() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ailab
