#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "ailab/trace.hpp"
#include "serve/served_model.hpp"

namespace ailab {

/// The model's graph, seen with a batch of real samples. `doubt` becomes what the model computes
/// that no graph can hold, or "".
TracedModel trace_for_export(ServedModel& model, const at::Tensor& example, std::string& doubt);

}  // namespace ailab
