#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <string>

namespace ailab::gloo {

/// This host's own address on the network over which the ranks met, as the job leaves it in its
/// store ("ailab/address/<rank>"), else on the default route; "" when there is neither. Nothing is
/// sent. A host's name does not serve: Debian resolves its own to 127.0.1.1.
std::string own_address(c10d::Store& store, int rank);

}  // namespace ailab::gloo
