#pragma once
// A model as a graph of operations, for what looks at it (TensorBoard) or takes it elsewhere
// (TorchScript, ONNX).
#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "ailab/model.hpp"

namespace ailab {

/// A model's forward pass as LibTorch's tracer has seen it in evaluation mode.
struct TracedModel {
    /// Holds the model's own tensors, under their names in the tree of modules, and the method
    /// `forward`, which takes the tensors of `inputs` in their order and returns that of `outputs`,
    /// or a tuple of several.
    torch::jit::Module module;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
};

/// Runs the model on `inputs`: what it takes in Phase::test, under its own names. What its
/// forward() asks C++ for (a size, a branch) is constant in the graph; but the size of the batch,
/// which is found by a second run without the last sample where `inputs` has several, so that the
/// graph serves any. Inputs that are no tensors become constants too. The model is in the mode it
/// was in afterwards. Not while another thread runs the model. Passes on what the model throws.
AILAB_API TracedModel trace_model(Model& model, const Batch& inputs);

/// The first samples of a batch, copied; `inputs` has `size` set.
AILAB_API Batch first_samples(const Batch& inputs, int64_t count);

}  // namespace ailab
