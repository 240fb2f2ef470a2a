#pragma once
#include <string>

#include "ailab/batch.hpp"
#include "ailab/model.hpp"

namespace ailab::tensorboard {

/// What the model computes for one sample, as a GraphDef (tensorboard/compat/proto/graph.proto):
/// its inputs, parameters, operations and outputs, with the shapes between them. An operation lies
/// in the module whose parameters it uses. Traced in evaluation mode and without gradients, so that
/// neither running means nor random numbers move. `inputs` holds the model's inputs by their names;
/// it has at least one sample. Throws when the model cannot be traced.
std::string model_graph(Model& model, const Batch& inputs);

}  // namespace ailab::tensorboard
