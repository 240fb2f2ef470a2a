#pragma once
#include <functional>
#include <memory>

#include "ailab/export.hpp"

namespace ailab {

/// Does work beside the training, one task after another, on a thread of its own: what a hook
/// writes for people need not hold up a step. A task begins at most a few milliseconds after it was
/// posted; what was posted later than that is lost when the process is killed.
class AILAB_API Background {
  public:
    Background();
    /// Finishes what was posted. What a task threw since the last call is lost.
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    /// About a microsecond. Throws what an earlier task threw. One thread at a time.
    void post(std::function<void()> task);
    /// Waits for all that was posted. Throws what a task threw.
    void finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ailab
