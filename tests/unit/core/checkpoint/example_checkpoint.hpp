#pragma once
#include <torch/torch.h>

#include <limits>

#include "checkpoint/checkpoint.hpp"

namespace ailab::test {

/// A checkpoint with something of everything.
inline Checkpoint example_checkpoint(int rank) {
    Checkpoint c;
    const at::Tensor weight = torch::arange(6, at::kFloat).reshape({2, 3});
    c.model = {{"fc.weight", weight}, {"tied.weight", weight}, {"fc.bias", torch::ones({2})}};
    State& optimizer = c.modules["optimizer"];
    optimizer.tensors["exp_avg/fc.weight"] = torch::full({2, 3}, 0.5);
    optimizer.values.set("lr", Node(0.1));
    State& hook = c.modules["hook.metrics"];
    hook.values.set("best", Node(-std::numeric_limits<double>::infinity()));
    hook.values.set("none", Node(std::numeric_limits<double>::quiet_NaN()));
    hook.values.set("names", Node::list({Node::string("top1"), Node(int64_t(5)), Node(true)}));
    c.run.values.set("step", Node(int64_t(9007199254740993)));
    c.run.values.set("epoch", Node(int64_t(1)));
    c.run.tensors["generator"] = torch::arange(16).to(at::kByte);
    c.rank.tensors["generator"] = torch::full({4}, rank, at::kLong);
    c.rank.values.set("position", Node(int64_t(100 + rank)));
    c.manifest.set("step", Node(int64_t(9007199254740993)));
    return c;
}

}  // namespace ailab::test
