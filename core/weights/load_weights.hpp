#pragma once
#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "checkpoint/safetensors.hpp"
#include "schema/pretrained.hpp"

namespace ailab {

/// What load_weights() did.
struct LoadedWeights {
    /// The key of the configuration that asked for them.
    std::string key;
    /// `weights loaded from a.pth (model_state): 60 of the model's 62 tensors`
    std::string summary;
    /// Each tensor of the model that kept its value, each of the file that went nowhere, and why.
    std::vector<std::string> unmatched;
    /// The prefix to give where another part of the file fits better; or "".
    std::string advice;
};

/// Copies weights into the model's parameters and buffers where the names and shapes are the same.
/// `path` is a checkpoint folder (whose averages are taken, where a hook had kept some), a
/// `last_checkpoint` (see last_checkpoint.hpp), a .safetensors file or one of torch.save. Of
/// `module.` and the like, which wrappers put before the names, as much is dropped as fits the
/// model best; what then stands beside these names (AveragedModel's `n_averaged`, a loss's or
/// metric's state) is no part of the model, and `summary` names it. Throws Error when nothing at
/// all fits; the model is then unchanged.
AILAB_API LoadedWeights load_weights(torch::nn::Module& model, const std::string& path);

/// The same for `pretrained`. The model's last layer keeps its value if its number of classes is
/// not the file's; `summary` says so.
AILAB_API LoadedWeights load_weights(torch::nn::Module& model, const Pretrained& pretrained);

/// One line that says all of `unmatched`, or "".
AILAB_API std::string describe_unmatched(const LoadedWeights& loaded);

/// The model's parameters, then its buffers, under their names.
NamedTensors weights_of(const torch::nn::Module& model);

/// Copies `weights` into the model's parameters and buffers, all of them. Throws Error that lists
/// every name that is missing, left over or of another shape; the model is then unchanged. `source`
/// is where they come from, for the message.
void copy_weights(torch::nn::Module& model, const NamedTensors& weights, const std::string& source);

}  // namespace ailab
