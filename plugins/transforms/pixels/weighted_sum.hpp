#pragma once
#include "pixels.hpp"

namespace ailab::image {

/// The sum of uint8 images of one shape, weighted; cut to uint8.
Tensor weighted_sum(const std::vector<Tensor>& images, const std::vector<double>& weights);

}  // namespace ailab::image
