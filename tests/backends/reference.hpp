#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include <string>

namespace ailab::testing {

using Op = c10d::ReduceOp::RedOpType;

/// What rank `rank` holds: a function of its arguments alone, so that each rank knows everyone's.
at::Tensor values(int64_t count, c10::ScalarType type, int rank, int salt);

/// The reduction over ranks 0 to size - 1, in float64 or int64, by plain loops.
at::Tensor reduced(int64_t count, c10::ScalarType type, int size, int salt, Op op);

/// What is wrong with `got`, or "": integers and bools must be equal, floats near for their width.
std::string difference(const at::Tensor& got, const at::Tensor& expected, int size);

const char* op_name(Op op);

}  // namespace ailab::testing
