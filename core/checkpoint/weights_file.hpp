#pragma once
// The weights of a model, from whatever file people keep them in.
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "safetensors.hpp"

namespace ailab {

class PthFile;
struct PickleValue;

struct WeightsFile {
    /// Without the prefix.
    NamedTensors tensors;
    /// What all names began with and a wrapper of the model had added: "module.model.", or "".
    std::string prefix;
    /// The key of a checkpoint that held them: "model_state", or "".
    std::string key;
    /// Keys of that checkpoint that hold weights too: "model_ema". They are not taken.
    std::vector<std::string> other_keys;
    /// What lay among the tensors and is none: `"x" is an object of mmcv.Config, not a tensor`.
    std::vector<std::string> left_out;
    /// Of a .safetensors file.
    Metadata metadata;
};

/// A .safetensors file or one of torch.save(), which one is seen from its bytes. A checkpoint's
/// weights are found under the keys that people use: model_state, model_state_dict, state_dict,
/// model, … Throws Error that names the file.
AILAB_API WeightsFile read_weights_file(const std::string& path);
/// The weights in an open file of torch.save().
WeightsFile read_weights(PthFile& file);

/// What a prefix of wrappers may have in it, longest first, down to "": for "module.model.", this,
/// "model." and "" are what stripped names can get back.
std::vector<std::string> prefixes_to_keep(const std::string& prefix);

/// Prefixes of wrappers that a part of the names begins with, shortest first: torch's AveragedModel
/// puts "module." before the model's names and has its own `n_averaged` beside them.
std::vector<std::string> partial_prefixes(const NamedTensors& tensors);

}  // namespace ailab
