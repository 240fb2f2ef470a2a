#pragma once
// What a module keeps between steps, in the form that checkpoints store.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ailab/node.hpp"

namespace ailab {

/// This rank's piece of a tensor that lies on several ranks: a box in it, of the piece's sizes.
struct Shard {
    /// With as many dimensions as the whole tensor. Without elements where this rank has none.
    at::Tensor piece;
    /// Where the piece begins, in each dimension.
    std::vector<int64_t> offset;
    /// Of the whole tensor.
    std::vector<int64_t> shape;
};

/// Tensors by name and plain values. No name is in two of the maps.
struct State {
    /// The same on all ranks: those of rank 0 are stored.
    std::map<std::string, at::Tensor> tensors;
    /// A map, that of rank 0 is stored. Integers and doubles come back exactly.
    Node values = Node::map();
    /// This rank's own. In a run of more ranks the further ones find none, in one of fewer the rest
    /// stays unread.
    std::map<std::string, at::Tensor> rank_tensors = {};
    /// The pieces of all ranks make up the whole tensors, each element once. They may be cut in
    /// another way when they are read, by any number of ranks.
    std::map<std::string, Shard> shards = {};
};

/// A module with state overrides both. save_state() is called between steps on every rank.
/// load_state() is given on every rank what was stored, and throws Error when it does not fit; of
/// a sharded tensor the piece that save_state() of this rank names at that time, and the whole
/// tensor where it does not name it.
class AILAB_API Stateful {
  public:
    virtual ~Stateful();
    virtual State save_state() const { return {}; }
    virtual void load_state(const State&) {}
    /// Told once, before a state is asked for or given: this is rank `rank` of so many. For modules
    /// that cut their state over the ranks.
    virtual void set_rank(int /*rank*/, int /*world_size*/) {}
};

}  // namespace ailab
