#pragma once
// A checkpoint is a folder: model.safetensors, state.safetensors, state.json, manifest.json (sizes,
// checksums, step, world size, configuration digest, plugins), committed by rename.
#include <map>
#include <string>

#include "ailab/comm.hpp"
#include "ailab/state.hpp"
#include "safetensors.hpp"

namespace ailab {

struct Checkpoint {
    /// Parameters and buffers under the names of the module tree (what Python tools load).
    NamedTensors model;
    /// What each module saved, by "optimizer", "optimizer.generator", "loss", "hook.metrics", …
    std::map<std::string, State> modules;
    /// The run's own position: epoch, iter, step, samples dealt, seed, generators, …
    State run;
    /// This rank's own generators and the like; each rank writes state.rank<R>.safetensors.
    State rank;
    /// Facts for the manifest beside sizes and checksums.
    Node manifest = Node::map();
};

/// Writes `<path>` as peers expect of a commit: `<path>.tmp-<id>`, fsync, agree, manifest, rename,
/// fsync of the parent. Collective; throws Error on every rank alike, with the failing rank's reason,
/// and leaves nothing behind. Then replaces `pointer` (last_checkpoint) by a file that holds `path`.
void write_checkpoint(const std::string& path, const std::string& pointer, const Checkpoint& checkpoint,
                      Comm& comm);

/// Throws Error that says what is wrong (missing manifest, size, checksum) unless it is complete.
void validate_checkpoint(const std::string& path);
Checkpoint read_checkpoint(const std::string& path, int rank);

}  // namespace ailab
