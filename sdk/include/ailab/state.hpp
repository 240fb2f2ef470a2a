#pragma once
// What a module keeps between steps, in the form that checkpoints store.
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "ailab/node.hpp"

namespace ailab {

/// Tensors by name (saved as safetensors) and plain values (a map, saved as JSON). Integers and
/// doubles come back exactly.
struct State {
    std::map<std::string, at::Tensor> tensors;
    Node values = Node::map();
};

/// A module with state overrides both. save_state() is called between steps on every rank; what
/// rank 0 returns is stored. load_state() is given it on every rank, and throws Error when it does
/// not fit.
class AILAB_API Stateful {
  public:
    virtual ~Stateful();
    virtual State save_state() const { return {}; }
    virtual void load_state(const State&) {}
};

}  // namespace ailab
