#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ailab/state.hpp"

namespace ailab::tensorboard {

using Scalars = std::vector<std::pair<std::string, double>>;

/// The scalars of the newest step that has any. A run that goes on hides all points from its
/// checkpoint's step on, since phases behind the checkpoint are run again; what was written at that
/// very step before the checkpoint is not, and is kept with it.
class RecentScalars {
  public:
    void add(int64_t step, const Scalars& scalars);
    /// Those of `step`; none if they are of another.
    Scalars at(int64_t step) const { return step == step_ ? scalars_ : Scalars(); }

    State save() const;
    void load(const State& state);

  private:
    int64_t step_ = -1;
    Scalars scalars_;
};

}  // namespace ailab::tensorboard
