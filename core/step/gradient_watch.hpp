#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gradient_store.hpp"

namespace ailab {

/// Which parameters get a gradient at all, in the steps that this process takes. Costs a comparison
/// a step for each that had none yet. Main thread.
class GradientWatch {
  public:
    /// Before the first step; the store must outlive the watch.
    void add(const GradientStore& gradients);
    /// When the gradients of a step are complete (over all ranks).
    void note();
    /// After an iteration.
    void count(bool stepped) {
        ++iterations_;
        steps_ += stepped;
    }
    int64_t iterations() const { return iterations_; }
    int64_t steps() const { return steps_; }
    /// All have had one, or the watch has ended.
    bool done() const { return waiting_.empty(); }
    /// Ends the watch: the names of those that had no gradient, and are still to be trained.
    std::vector<std::string> finish();

  private:
    /// A parameter of a store, by its number there.
    using Entry = std::pair<const GradientStore*, size_t>;
    static const NamedParameter& parameter(const Entry& entry) {
        return entry.first->parameters()[entry.second];
    }

    std::vector<Entry> waiting_;  // without a gradient so far
    int64_t iterations_ = 0, steps_ = 0;
};

}  // namespace ailab
