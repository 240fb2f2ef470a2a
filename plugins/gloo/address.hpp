#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <string>

namespace ailab::gloo {

/// This host's own address on the network that reaches rank 0 (the store's host), else on the
/// default route; "" when there is neither. Nothing is sent. A host's name does not serve: Debian
/// resolves its own to 127.0.1.1.
std::string own_address(const c10::intrusive_ptr<c10d::Store>& store);

}  // namespace ailab::gloo
