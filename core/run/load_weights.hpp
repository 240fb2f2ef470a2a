#pragma once
#include <torch/nn/module.h>

#include <string>

#include "checkpoint/safetensors.hpp"

namespace ailab {

/// Copies the weights of a checkpoint folder, of what a `last_checkpoint` names, or of a
/// .safetensors file into the model's parameters and buffers. Throws Error that lists every name
/// that is missing, left over or of another shape; the model is then unchanged.
void load_weights(torch::nn::Module& model, const std::string& path);

/// Copies `weights` into the model's parameters and buffers, all of them. Throws Error that lists
/// every name that is missing, left over or of another shape; the model is then unchanged. `source`
/// is where they come from, for the message.
void copy_weights(torch::nn::Module& model, const NamedTensors& weights, const std::string& source);

}  // namespace ailab
