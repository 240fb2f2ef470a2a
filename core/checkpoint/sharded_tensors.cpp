#include "sharded_tensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "ailab/error.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

using Sizes = std::vector<int64_t>;

std::string text_of(const Sizes& sizes) {
    std::vector<std::string> items;
    for (const int64_t size : sizes) items.push_back(std::to_string(size));
    return concat("[", join(items), "]");
}

/// Elements. Throws Error for more than there can be.
int64_t count_of(const Sizes& sizes) {
    int64_t count = 1;
    for (const int64_t size : sizes)
        if (__builtin_mul_overflow(count, size, &count))
            throw Error(concat("a tensor of ", text_of(sizes), " is too large"));
    return count;
}

std::string describe(const ShardedTensor::Piece& piece) {
    return concat("that of rank ", piece.rank, ", of ", text_of(piece.sizes), " from ",
                  text_of(piece.offset));
}

/// The part that two boxes have in common: its offset and sizes. None where there is none.
std::optional<std::pair<Sizes, Sizes>> common_part(const Sizes& offset, const Sizes& sizes,
                                                   const ShardedTensor::Piece& piece) {
    Sizes from(offset.size()), length(offset.size());
    for (size_t i = 0; i < offset.size(); ++i) {
        from[i] = std::max(offset[i], piece.offset[i]);
        length[i] = std::min(offset[i] + sizes[i], piece.offset[i] + piece.sizes[i]) - from[i];
        if (length[i] <= 0) return std::nullopt;
    }
    return std::pair(from, length);
}

bool lies_within(const Sizes& offset, const Sizes& sizes, const Sizes& shape) {
    if (offset.size() != shape.size() || sizes.size() != shape.size()) return false;
    for (size_t i = 0; i < shape.size(); ++i)
        if (offset[i] < 0 || sizes[i] < 0 || offset[i] > shape[i] - sizes[i]) return false;
    return true;
}

Sizes sizes_from(const Node& node, const std::string& what) {
    if (!node.is_list()) throw Error(concat(what, " must be a list, got ", node.describe()));
    Sizes sizes;
    for (const Node& size : node.items()) {
        if (!size.is_int() || size.as_int() < 0)
            throw Error(concat(what, " must be a list of whole numbers, got ", node.flow()));
        sizes.push_back(size.as_int());
    }
    return sizes;
}

Node to_node(const Sizes& sizes) {
    Node list = Node::list();
    for (const int64_t size : sizes) list.items().emplace_back(size);
    return list;
}

}  // namespace

ShardedTensors sharded_tensors(const std::map<std::string, State>& modules, int rank) {
    ShardedTensors tensors;
    for (const auto& [module, state] : modules)
        for (const auto& [name, shard] : state.shards) {
            const std::string what = concat("the shard \"", name, "\" of ", module);
            if (state.tensors.count(name) || state.rank_tensors.count(name))
                throw Error(concat(what, " has the name of another tensor of it"));
            if (!shard.piece.defined()) throw Error(what + " has no piece, not even an empty one");
            const Sizes sizes = shard.piece.sizes().vec();
            if (!lies_within(shard.offset, sizes, shard.shape))
                throw Error(concat(what, ": a piece of ", text_of(sizes), " from ",
                                   text_of(shard.offset), " does not lie within ",
                                   text_of(shard.shape)));
            ShardedTensor& tensor = tensors[module + "/" + name];
            tensor.shape = shard.shape;
            if (shard.piece.numel() > 0) tensor.pieces.push_back({rank, shard.offset, sizes});
        }
    return tensors;
}

void add_pieces(ShardedTensors& all, const ShardedTensors& more) {
    for (const auto& [name, tensor] : more) {
        const auto [known, is_new] = all.emplace(name, tensor);
        if (is_new) continue;
        if (known->second.shape != tensor.shape)
            throw Error(concat("the sharded tensor \"", name, "\" is ", text_of(tensor.shape),
                               " for one rank and ", text_of(known->second.shape), " for another"));
        known->second.pieces.insert(known->second.pieces.end(), tensor.pieces.begin(),
                                    tensor.pieces.end());
    }
}

void check_complete(const ShardedTensors& all) {
    for (const auto& [name, tensor] : all) {
        std::vector<ShardedTensor::Piece> pieces = tensor.pieces;
        std::sort(pieces.begin(), pieces.end(),
                  [](const auto& a, const auto& b) { return a.offset < b.offset; });
        int64_t count = 0;
        for (size_t i = 0; i < pieces.size(); ++i) {
            count += count_of(pieces[i].sizes);
            // Those that begin behind the end in the first dimension have nothing in common with
            // it.
            for (size_t j = i + 1; j < pieces.size(); ++j) {
                const ShardedTensor::Piece& other = pieces[j];
                if (!tensor.shape.empty() &&
                    other.offset[0] >= pieces[i].offset[0] + pieces[i].sizes[0])
                    break;
                if (common_part(pieces[i].offset, pieces[i].sizes, other))
                    throw Error(concat("the pieces of the sharded tensor \"", name, "\" overlap: ",
                                       describe(pieces[i]), ", and ", describe(other)));
            }
        }
        if (count != count_of(tensor.shape))
            throw Error(concat("the pieces of the sharded tensor \"", name, "\" of ",
                               text_of(tensor.shape), " have ", count, " of its ",
                               count_of(tensor.shape), " elements"));
    }
}

Node to_node(const ShardedTensors& tensors) {
    Node all = Node::map();
    for (const auto& [name, tensor] : tensors) {
        Node pieces = Node::list();
        for (const ShardedTensor::Piece& piece : tensor.pieces) {
            Node entry = Node::map();
            entry.set("rank", Node(int64_t(piece.rank)));
            entry.set("offset", to_node(piece.offset));
            entry.set("sizes", to_node(piece.sizes));
            pieces.items().push_back(std::move(entry));
        }
        Node entry = Node::map();
        entry.set("shape", to_node(tensor.shape));
        entry.set("pieces", std::move(pieces));
        all.set(name, std::move(entry));
    }
    return all;
}

ShardedTensors sharded_tensors_from(const Node& node, const std::string& source) {
    if (!node.is_map()) throw Error(source + ": the shards must be a map");
    ShardedTensors tensors;
    for (const Member& entry : node.members()) {
        const std::string what = concat(source, ": the shards of \"", entry.key, "\"");
        ShardedTensor& tensor = tensors[entry.key];
        tensor.shape = sizes_from(member(entry.value, "shape", what), what + ": shape");
        const Node& pieces = member(entry.value, "pieces", what);
        if (!pieces.is_list()) throw Error(what + ": pieces must be a list");
        for (const Node& piece : pieces.items()) {
            const Node& rank = member(piece, "rank", what);
            if (!rank.is_int() || rank.as_int() < 0 || rank.as_int() > 1'000'000)
                throw Error(concat(what, ": a piece's rank is ", rank.describe()));
            tensor.pieces.push_back({int(rank.as_int()),
                                     sizes_from(member(piece, "offset", what), what + ": offset"),
                                     sizes_from(member(piece, "sizes", what), what + ": sizes")});
            if (!lies_within(tensor.pieces.back().offset, tensor.pieces.back().sizes, tensor.shape))
                throw Error(concat(what, ": ", describe(tensor.pieces.back()),
                                   " does not lie within ", text_of(tensor.shape)));
        }
    }
    return tensors;
}

bool ShardReader::has(const std::string& module) const {
    const auto first = tensors_.lower_bound(module + "/");
    return first != tensors_.end() && first->first.starts_with(module + "/");
}

void ShardReader::read(const std::string& module, const State& now, State& saved) const {
    const std::string prefix = module + "/";
    Files files;
    for (auto at = tensors_.lower_bound(prefix);
         at != tensors_.end() && at->first.starts_with(prefix); ++at) {
        const ShardedTensor& tensor = at->second;
        const std::string name = at->first.substr(prefix.size());
        Shard& shard = saved.shards[name];
        shard.shape = tensor.shape;
        shard.offset.assign(tensor.shape.size(), 0);
        Sizes sizes = tensor.shape;
        if (const auto wanted = now.shards.find(name); wanted != now.shards.end()) {
            sizes = wanted->second.piece.sizes().vec();
            shard.offset = wanted->second.offset;
            if (wanted->second.shape != tensor.shape ||
                !lies_within(shard.offset, sizes, tensor.shape))
                throw Error(concat("the sharded tensor \"", name, "\" of ", module, " was ",
                                   text_of(tensor.shape), " when it was saved, and the piece of ",
                                   "this rank is now ", text_of(sizes), " from ",
                                   text_of(shard.offset), " of ", text_of(wanted->second.shape)));
        }
        shard.piece = read_piece(at->first, tensor, shard.offset, sizes, files);
    }
}

at::Tensor ShardReader::read_piece(const std::string& name, const ShardedTensor& tensor,
                                   const Sizes& offset, const Sizes& sizes, Files& files) const {
    at::Tensor wanted;
    for (const ShardedTensor::Piece& piece : tensor.pieces) {
        const auto common = common_part(offset, sizes, piece);
        // Of one without elements the dtype is read.
        if (!common && (wanted.defined() || count_of(sizes) > 0)) continue;
        const SafetensorsFile& file =
            files.try_emplace(piece.rank, folder_ + "/" + checkpoint_file::shards(piece.rank))
                .first->second;
        const bool has_rows = !piece.sizes.empty();
        const int64_t first = common && has_rows ? common->first[0] - piece.offset[0] : 0;
        const int64_t rows = !has_rows ? 1 : common ? common->second[0] : 0;
        at::Tensor part = file.read_rows(name, first, rows);
        if (!wanted.defined()) wanted = at::empty(sizes, part.options());
        if (!common) break;
        at::Tensor into = wanted;
        for (size_t i = 0; i < sizes.size(); ++i) {
            const auto dim = int64_t(i);
            into = into.narrow(dim, common->first[i] - offset[i], common->second[i]);
            if (i > 0)
                part = part.narrow(dim, common->first[i] - piece.offset[i], common->second[i]);
        }
        into.copy_(part);
    }
    // A tensor without elements has no pieces, and nobody kept its dtype.
    return wanted.defined() ? wanted : at::empty(sizes);
}

}  // namespace ailab
