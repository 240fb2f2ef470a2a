#pragma once
// Checkpoints of torch training scripts, those of the original ailab above all:
// `<work_dir>/checkpoints/epoch_N.pth`, a dict of model_state, optimizer_state and epoch.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ailab/state.hpp"
#include "weights_file.hpp"

namespace ailab {

/// What state_dict() of a torch.optim optimizer holds. Parameters have no names there: they are
/// numbered through all groups, in the order in which the optimizer was given them.
struct TorchOptimizerState {
    struct Group {
        /// lr, initial_lr, weight_decay, momentum and betas, those that there are.
        Node options = Node::map();
        std::vector<int64_t> parameters;
    };
    std::vector<Group> groups;
    /// By parameter, by torch's names: "exp_avg", "momentum_buffer", …, and "step", float32 scalars
    /// also where the file has plain numbers.
    std::map<int64_t, std::map<std::string, at::Tensor>> state;

    size_t parameter_count() const;
};

struct OriginalCheckpoint {
    WeightsFile model;
    int64_t epoch = 0;
    /// None if the file was saved without.
    std::optional<TorchOptimizerState> optimizer;
};

/// Reads a file with `epoch`, weights (see read_weights_file) and `optimizer_state` (or
/// `optimizer_state_dict`, `optimizer`). Throws Error that names the file.
AILAB_API OriginalCheckpoint read_original_checkpoint(const std::string& path);

/// As ailab's optimizers load it: tensors "<state>/<parameter>" and "step/<parameter>", values
/// `groups` with lr, initial_lr, weight_decay and the names of each. `names` are the model's
/// trainable parameters in the order in which the optimizer of the file was given them. Throws
/// Error when their number is another.
///
/// torch's SGD counts no steps: a parameter with a momentum_buffer gets step 1, which says that the
/// buffer is not new, and nothing else is computed from it.
AILAB_API State to_optimizer_state(const TorchOptimizerState& saved,
                                   const std::vector<std::string>& names);

}  // namespace ailab
