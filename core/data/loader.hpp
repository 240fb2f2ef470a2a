#pragma once
#include <memory>

#include "loader_options.hpp"
#include "loading.hpp"
#include "sample_faults.hpp"

namespace ailab {

/// Batches in order, made ahead by threads. An endless stream over epochs: the next epoch's
/// first batches are made while the present one ends. The threads start with the first next(). One
/// that hangs in a sample when the loader ends is left behind. Main thread.
class Loader {
  public:
    explicit Loader(LoaderOptions options);
    ~Loader();

    /// The stream goes on from here. Before the first next().
    void seek(int64_t epoch, int64_t iteration);

    /// The next batch of this rank. Rethrows what making it threw, with the sample named; throws
    /// Error when more than max_errors samples of an epoch were left out, and when a sample has not
    /// come within the sample_timeout. The size (and in an
    /// evaluation global_size) is that of the samples that are there.
    Batch next();
    /// Gives a batch's memory back for reuse. Tensors that somebody still holds are left alone.
    void recycle(Batch batch);

    /// The batch of iteration `iteration` of the present epoch, apart from the stream. Throws as
    /// next() does.
    Batch preview(int64_t iteration) const;

    /// What is assigned to this rank for the batch that comes after `ahead` others, 0 being that
    /// which next() returns next and -1 the one that it returned last.
    BatchPlan::Slice slice(int64_t ahead) const;

    const LoaderOptions& options() const;
    const BatchPlan& plan() const;
    /// Where the stream stands: of the batch that next() returns next.
    int64_t epoch() const;
    int64_t iteration() const;

    /// What became of the samples of the batches that next() returned since the last call.
    SampleFaults take_faults();
    /// What the loader's threads spent on those batches since the last call.
    StageTimes take_times();

  private:
    struct State;
    const std::shared_ptr<State> state_;  // with its threads
};

}  // namespace ailab
