#pragma once
#include <map>
#include <string>
#include <vector>

#include "ailab/node.hpp"
#include "files/durable_file.hpp"
#include "sharded_tensors.hpp"

namespace ailab {

/// The number of the format that is written. From 2 on a manifest has a checksum of itself.
inline constexpr int64_t checkpoint_format = 2;

/// What a checkpoint may need: some module has tensors that differ from rank to rank, or lie on
/// several.
inline constexpr const char* needs_rank_tensors = "rank_tensors";
inline constexpr const char* needs_shards = "shards";

/// manifest.json: which files make up a checkpoint, and what they hold.
struct Manifest {
    int64_t format = checkpoint_format;
    int world_size = 1;
    std::map<std::string, FileDigest> files;
    ShardedTensors shards;
    /// What a reader must know beyond the format to use the files. Who does not refuses.
    std::vector<std::string> needs;
    Node facts = Node::map();  // step, configuration, branch, plugins, …

    /// For the log: what a checkpoint of an earlier format has not; "" of a present one.
    std::string age_note() const;
};

/// The text of a manifest.json in the present format.
std::string encode_manifest(const Manifest& manifest);
/// Reads `<folder>/manifest.json`, of the present format or an earlier one, and checks its own
/// checksum. Throws Error that says what is wrong with it, or which of its needs is not known here.
Manifest read_manifest(const std::string& folder);

}  // namespace ailab
