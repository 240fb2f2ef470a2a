#pragma once
// Element-wise reductions over several ranks' buffers, in the fixed order of the ranks.
#include <c10/core/ScalarType.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include <cstdint>
#include <span>

namespace ailab::collectives {

enum class Reduction : uint8_t { sum, avg, product, min, max, band, bor, bxor };

const char* reduction_name(Reduction reduction);

/// Throws Error for an operation that only NCCL knows.
Reduction reduction_of(const c10d::ReduceOp& op);

/// Throws Error when the type has no such reduction (bits of a float, the mean of bools).
void check_reducible(c10::ScalarType type, Reduction reduction, const std::string& backend);

/// outs[…][i] = ins[0][i] op ins[1][i] op …, in this order; the mean divides by the number of ins.
/// float16 and bfloat16 are summed in float32 and rounded once. For bools a sum is "or", a product
/// "and". NaN survives min and max. An out may be the same memory as an in, but must not overlap
/// one otherwise.
void reduce(c10::ScalarType type, Reduction reduction, std::span<const void* const> ins,
            std::span<void* const> outs, int64_t count);

/// data[i] /= divisor, as the mean does after a sum.
void divide(c10::ScalarType type, void* data, int64_t count, int64_t divisor);

}  // namespace ailab::collectives
