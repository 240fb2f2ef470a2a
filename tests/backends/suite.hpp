#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <string>
#include <vector>

namespace ailab::testing {

using CommPtr = c10::intrusive_ptr<c10d::Backend>;

/// Every collective of each backend against a reference that each rank computes by itself, and the
/// backends against each other. Returns what differs, one line each; empty when all is right.
/// All ranks call it alike.
std::vector<std::string> check_reductions(const std::vector<CommPtr>& backends);
std::vector<std::string> check_moves(const std::vector<CommPtr>& backends);
/// Many in a row without a pause, of changing kinds and sizes.
std::vector<std::string> check_in_a_row(const CommPtr& backend, int rounds);
/// Gradient buckets in shared memory; nothing for a backend without them.
std::vector<std::string> check_buckets(const CommPtr& backend);

/// All of these, as one text; "" when all is right.
std::string check_all(const std::vector<CommPtr>& backends);

}  // namespace ailab::testing
