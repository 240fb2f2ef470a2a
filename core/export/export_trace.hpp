#pragma once
#include <ATen/core/Tensor.h>

#include "ailab/trace.hpp"
#include "serve/served_model.hpp"

namespace ailab {

/// The model's graph, seen with a batch of real samples. A warning goes to the log where the model
/// computes what no graph can hold.
TracedModel trace_for_export(ServedModel& model, const at::Tensor& example);

}  // namespace ailab
