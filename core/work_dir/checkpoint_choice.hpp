#pragma once
#include <torch/nn/module.h>

#include <string>

#include "schema/run_config.hpp"

namespace ailab {

/// What the word that stands for a checkpoint means: `latest`, the newest valid one of `work_dir`;
/// `best`, the best one of the run whose checkpoint that is; else a path, see resolve_checkpoint().
/// Throws Error that says what to give.
std::string choose_checkpoint(const std::string& given, const std::string& work_dir);

/// The same for tools, which have no configuration: a path that exists counts first, and `DIR/best`
/// is the best one of the work_dir DIR.
std::string find_checkpoint_of(const std::string& given, const std::string& work_dir);

/// Copies the weights that stand for a trained model into `model`: those of a checkpoint's folder
/// (whose checksums are tested; the averages where a hook had kept some), of a .safetensors or of a
/// .pth file. Throws Error unless every tensor of the model is there and none is left over. The
/// result is a line for the log.
std::string load_trained_weights(torch::nn::Module& model, const std::string& path);

}  // namespace ailab
