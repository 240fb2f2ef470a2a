#pragma once
// What the metrics of this plugin share: sums that do not depend on how the work was divided.
#include <limits>
#include <string>

#include "ailab/ailab.hpp"

namespace ailab {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Sums over the last dimension, as float64: [..., n] to [...]. Added in blocks of a fixed size:
/// LibTorch's own sum of a long row depends on the number of threads, which depends on the number
/// of ranks.
Tensor stable_sum(const Tensor& values);
/// The sum of all elements, a float64 scalar, in the same way.
Tensor stable_total(const Tensor& values);

/// How many times each of 0 … bins - 1 occurs in `index` (int64, any shape): int64 [bins]. Unlike
/// at::bincount, it does not wait for the device.
Tensor count_numbers(const Tensor& index, int64_t bins);

/// "output [4, 3] Float and target [4] Long".
std::string describe(const Tensor& output, const Tensor& target);

/// Throws unless output and target have one shape.
void check_same_shape(const std::string& who, const Tensor& output, const Tensor& target);

/// A metric whose states stay on the device of what is added to them, so that nothing waits.
class CountingMetric : public Metric {
  protected:
    /// Adds to a state. One that the constructor could not declare, as its shape depends on the
    /// number of classes, begins with its first value; its shape may not change then.
    void add(const std::string& name, const Tensor& value);
    /// The same for a whole number in a state of one; quick while that is on the CPU.
    void count(const std::string& name, int64_t value);
};

}  // namespace ailab
