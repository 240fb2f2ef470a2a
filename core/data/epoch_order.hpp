#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "loader_options.hpp"

namespace ailab {

/// The samples of one epoch of the whole job, in the order in which they are taken.
struct EpochOrder {
    std::vector<int64_t> ids;
    /// The occurrence number of each of `ids`, from 0; empty when none comes twice.
    std::vector<int64_t> repeats;
    /// Where each batch ends that the sampler has formed itself; else empty.
    std::vector<int64_t> ends;

    int64_t repeat(int64_t position) const {
        return repeats.empty() ? 0 : repeats[size_t(position)];
    }
};

/// Asks the sampler. Throws Error when it gives too few numbers, or some that the dataset has not;
/// when it forms batches, other than it said.
EpochOrder make_order(const LoaderOptions& options, int64_t epoch);

/// The order of an epoch, computed once by whichever worker needs it first; two are kept, since
/// workers run ahead into the next epoch. Thread-safe.
class EpochOrders {
  public:
    std::shared_ptr<const EpochOrder> get(const LoaderOptions& options, int64_t epoch);

  private:
    std::mutex mutex_;
    std::map<int64_t, std::shared_ptr<const EpochOrder>> orders_;
};

}  // namespace ailab
