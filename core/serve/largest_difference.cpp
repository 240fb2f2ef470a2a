#include "largest_difference.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace ailab {

double largest_difference(const at::Tensor& actual, const at::Tensor& expected) {
    if (actual.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
    if (expected.numel() == 0) return 0;
    const at::Tensor wanted = expected.to(at::kCPU, at::kDouble);
    const double largest = wanted.abs().max().item<double>();
    const double difference =
        (actual.to(at::kCPU, at::kDouble) - wanted).abs().max().item<double>();
    return largest > 0 ? difference / largest : difference;
}

}  // namespace ailab
