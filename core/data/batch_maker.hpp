#pragma once
#include <exception>
#include <string>
#include <vector>

#include "batch_builder.hpp"
#include "epoch_order.hpp"
#include "loader_options.hpp"
#include "loading.hpp"
#include "sample_faults.hpp"
#include "sample_wait.hpp"

namespace ailab {

/// A batch, and what was learned while it was made.
struct MadeBatch {
    Batch batch;
    int64_t assigned = 0;  // samples, with those that were left out
    std::vector<SampleFault> faults;
    StageTimes times;  // none for whole batches
    std::exception_ptr error;
    Batch spare;  // memory for another batch, where this one was moved to pinned memory
};

/// Makes the batches of this rank, each by its number in the endless stream over epochs. A batch is
/// a function of its number alone: one from files that were changed meanwhile is an error.
/// Thread-safe.
class BatchMaker {
  public:
    explicit BatchMaker(LoaderOptions options) : options_(std::move(options)) {}

    const LoaderOptions& options() const { return options_; }
    int64_t iterations() const { return options_.plan.iterations(); }
    /// What is assigned to this rank for that batch.
    BatchPlan::Slice slice(int64_t number);

    /// In the memory of `reused`, an earlier batch. What goes wrong is kept in the result.
    MadeBatch make(int64_t number, Batch reused, MakeProgress* progress = nullptr);

  private:
    struct Share;

    void fill(const Share& share, MadeBatch& made);
    void fill_whole(const Share& share, const std::vector<int64_t>& ids, Batch& batch) const;
    void fill_by_sample(const Share& share, MadeBatch& made) const;
    bool add(const Share& share, int64_t position, BatchBuilder& builder,
             std::vector<SampleFault>& faults) const;
    bool make_one(const Share& share, int64_t position, Batch& batch) const;
    Batch sample_before(const Share& share, const Batch& batch) const;
    void transform_batch(const Share& share, Batch& batch) const;
    bool keeps_double(const std::string& field) const;
    void warn_of_rounding(const Batch& batch) const;
    void finish_fields(Batch& batch) const;
    void pin(MadeBatch& made) const;

    const LoaderOptions options_;
    EpochOrders orders_;
};

}  // namespace ailab
