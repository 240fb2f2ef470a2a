#pragma once
#include <ATen/core/Tensor.h>

namespace ailab {

/// The largest difference of two outputs, relative to the largest number of `expected` (unless all
/// are 0). Infinite when the shapes differ; NaN when one of them is.
double largest_difference(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace ailab
