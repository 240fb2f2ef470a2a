#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ailab/node.hpp"
#include "ailab/state.hpp"
#include "safetensors.hpp"

namespace ailab {

/// Where the pieces of a tensor lie among the files of a checkpoint.
struct ShardedTensor {
    struct Piece {
        int rank = 0;  // whose file has it
        std::vector<int64_t> offset, sizes;
    };
    std::vector<int64_t> shape;
    std::vector<Piece> pieces;  // those with elements
};

/// By "<module>/<name>", as they are named in the files.
using ShardedTensors = std::map<std::string, ShardedTensor>;

/// What rank `rank` has. Throws Error for a piece that does not lie within its tensor.
ShardedTensors sharded_tensors(const std::map<std::string, State>& modules, int rank);
/// Adds those of another rank. Throws Error where the two say different shapes.
void add_pieces(ShardedTensors& all, const ShardedTensors& more);
/// Throws Error unless the pieces make up their tensors, each element once.
void check_complete(const ShardedTensors& all);

Node to_node(const ShardedTensors& tensors);
/// Throws Error beginning with `source`.
ShardedTensors sharded_tensors_from(const Node& node, const std::string& source);

/// The sharded tensors of a checkpoint, to be read piece by piece.
class ShardReader {
  public:
    ShardReader() = default;
    ShardReader(std::string folder, ShardedTensors tensors)
        : folder_(std::move(folder)), tensors_(std::move(tensors)) {}

    bool has(const std::string& module) const;
    /// Into `saved`, the state of `module`: the pieces that `now`, its present state, names, and
    /// whole tensors where it names none. Reads no byte of a piece that is not wanted but those of
    /// the same rows.
    void read(const std::string& module, const State& now, State& saved) const;

  private:
    using Files = std::map<int, SafetensorsFile>;  // by rank, opened when they are needed
    at::Tensor read_piece(const std::string& name, const ShardedTensor& tensor,
                          const std::vector<int64_t>& offset, const std::vector<int64_t>& sizes,
                          Files& files) const;

    std::string folder_;
    ShardedTensors tensors_;
};

}  // namespace ailab
