#pragma once
// What is done to the gradients of one step before the optimizer takes them.
#include <ATen/core/Tensor.h>

#include <vector>

#include "dist/reducer.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// The gradients that are defined, of one optimizer's parameters.
std::vector<at::Tensor> gradients_of(const std::vector<NamedParameter>& parameters);

/// The norm of all of them together: a scalar on their device (nothing waits), of the first one's
/// dtype. Undefined for an empty list.
at::Tensor norm_of(const std::vector<at::Tensor>& gradients, double norm_type);

/// Scales the gradients so that their norm is at most `max_norm`, as torch.nn.utils.clip_grad_norm_
/// does. `norm` is norm_of() them.
void clip_norm(std::vector<at::Tensor>& gradients, const at::Tensor& norm, double max_norm);

/// Limits each number to [-max_value, max_value].
void clip_value(std::vector<at::Tensor>& gradients, double max_value);

}  // namespace ailab
