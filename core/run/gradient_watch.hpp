#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "dist/reducer.hpp"

namespace ailab {

/// Which parameters get a gradient at all, in the steps that this process takes. Costs a comparison
/// a step for each that had none yet. Main thread.
class GradientWatch {
  public:
    /// Before the first step; the parameters must outlive the watch.
    void add(const std::vector<NamedParameter>& parameters);
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
    std::vector<const NamedParameter*> waiting_;  // without a gradient so far
    int64_t iterations_ = 0, steps_ = 0;
};

}  // namespace ailab
