#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ailab/node.hpp"
#include "ailab/run.hpp"

namespace ailab {

/// Of a phase, in the order in which they were published.
using Results = std::vector<std::pair<std::string, double>>;

/// Where training data stand.
struct DataPosition {
    int64_t epoch = 0;
    int64_t samples_assigned = 0;  // of the epoch, over all ranks
    int64_t samples = 0;           // of an epoch
    int64_t global_batch_size = 0;
    /// Where the sampler forms the batches: those of the epoch that are assigned, and that it has.
    /// Else below 0, and the samples count.
    int64_t batches_assigned = -1;
    int64_t batches = -1;
};

/// What a checkpoint's run.json holds beside the position in the workflow: each key stands once, in
/// run_state.cpp.
struct RunState {
    int64_t seed = 0;
    /// The epoch that was trained last, or is being trained: what an evaluation after it belongs
    /// to.
    int64_t trained_epoch = 0;
    double train_seconds = 0;
    int64_t train_samples = 0;
    /// See BackwardPass::unit(); 0 in checkpoints of before.
    double loss_unit = 0;
    std::map<Phase, Results> results;
    /// Epochs of each data set that evaluations have begun or done.
    std::map<Phase, int64_t> evaluated;

    std::optional<DataPosition> data;  // none where nothing is trained

    void save(Node& values) const;
    /// Throws Error that names what is missing or of another kind.
    static RunState load(const Node& values);
};

}  // namespace ailab
