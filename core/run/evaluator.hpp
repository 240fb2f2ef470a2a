#pragma once
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "meters.hpp"
#include "step/forward_pass.hpp"

namespace ailab {

/// One pass over the data of val or test: the model's outputs, and the loss over all samples of all
/// ranks. With which weights, and what is called around it, is the run's. Main thread.
class Evaluator {
  public:
    Evaluator(const ForwardPass& forward, Comm& comm)
        : forward_(forward), comm_(comm), sums_(comm) {}

    /// A pass begins; what another one left unfinished goes.
    void begin(Phase phase);
    /// The outputs join the batch, which has samples, and its terms the sums. `samples`: of the
    /// batch that the configuration speaks of, of which this one is a part or the whole.
    void add(Batch& batch, int64_t samples);
    /// "loss", and its terms where there are several; nothing without a loss of this phase. A term
    /// of which no target counts is NaN, as with PyTorch, and so is the loss; that is told once.
    /// Collective.
    std::vector<std::pair<std::string, double>> finish();

  private:
    const ForwardPass& forward_;
    Comm& comm_;
    Phase phase_ = Phase::val;
    Meters sums_;
    std::set<std::pair<Phase, std::string>> told_;  // terms
};

}  // namespace ailab
