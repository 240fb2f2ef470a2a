#pragma once
#include <vector>

#include "ailab/random.hpp"

namespace ailab {

/// Shares that sum to 1, of the symmetric Dirichlet distribution of `count` parameters `alpha`
/// (above 0). Of two, the first is of Beta(alpha, alpha).
std::vector<double> dirichlet(size_t count, double alpha, Philox& random);

}  // namespace ailab
