#pragma once
#include <vector>

#include "ailab/comm.hpp"

namespace ailab {

/// Rank 0's values in every rank's tensors, which are alike and on one device: many at a time, as
/// most of them are small. Collective.
void broadcast_from_first(Comm& comm, const std::vector<at::Tensor>& tensors);

}  // namespace ailab
