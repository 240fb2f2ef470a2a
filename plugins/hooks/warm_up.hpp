#pragma once
#include <optional>
#include <string>

#include "ailab/ailab.hpp"
#include "options/placed.hpp"

namespace ailab {

/// A warm-up in front of any schedule: a factor of its learning rate in the first optimizer steps.
/// Names and values are MMCV's.
struct WarmUp {
    std::optional<std::string> form;
    int64_t iters = 0;
    double ratio = 0.1;
    Placed<bool> by_epoch;

    void visit(OptionVisitor& v);
    /// The number of optimizer steps that it takes. Throws ConfigError if it counts epochs and
    /// the run does not.
    int64_t steps(const Progress& progress) const;
    /// At `step`, of a warm-up of `steps`.
    double factor(int64_t step, int64_t steps) const;
};

}  // namespace ailab
