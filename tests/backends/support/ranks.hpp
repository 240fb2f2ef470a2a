#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <functional>
#include <string>
#include <vector>

namespace ailab::testing {

/// What a rank leaves: its exit status (128 + the signal that killed it), and what it reported.
struct RankResult {
    int status = -1;
    std::string report;
};

/// Runs `body` in `size` processes of their own, joined by a store in a file. What it returns is
/// the rank's report; what it throws is the report too, with status 1. A rank that takes longer
/// than `seconds` is killed. The calling process must not have started threads.
using RankBody = std::function<std::string(int rank, c10::intrusive_ptr<c10d::Store> store)>;
std::vector<RankResult> run_ranks(int size, const RankBody& body, int seconds = 30);

}  // namespace ailab::testing
