#pragma once
// A checkpoint is a folder, committed by rename:
//   model.safetensors      parameters and buffers, as Python tools load them
//   state.safetensors      tensors of the modules' and the run's states, "<module>/<name>"
//   state.json             their values, {"modules": {<module>: …}, "run": …}
//   rank<R>.safetensors    what rank R has of its own: tensors of the run, those of modules as
//                          "module/<module>/<name>"; its values lie in the file's metadata
//   shards<R>.safetensors  rank R's pieces of tensors that lie on several, "<module>/<name>", if it
//                          has any; which pieces these are stands in the manifest
//   manifest.json          sizes, checksums, world size, and the run's facts (step, digests, and
//                          its plugins)
#include <map>
#include <string>

#include "ailab/comm.hpp"
#include "ailab/state.hpp"
#include "class_names.hpp"
#include "safetensors.hpp"
#include "sharded_tensors.hpp"

namespace ailab {

struct Checkpoint {
    /// Parameters and buffers under the names of the module tree (what Python tools load).
    NamedTensors model;
    /// What each module saved, by "optimizer", "optimizer.generator", "loss", "hook.metrics", …
    std::map<std::string, State> modules;
    /// The run's own position: epoch, iter, step, samples assigned, seed, generators, …
    State run;
    /// This rank's own generators and the like; each rank writes its own. Empty when a checkpoint
    /// of fewer ranks is read.
    State rank;
    /// Of one that was read: the shards of its modules, which are not read yet.
    ShardReader shards;
    /// Facts for the manifest beside sizes and checksums.
    Node manifest = Node::map();
};

/// Writes the folder `path`: into `<path>.tmp-<id>`, fsync, agree, manifest, rename, fsync of the
/// parent. What rank 0 gives as model, run and manifest is written, of the modules' states what is
/// the same on all ranks; of the rest each rank's. Collective; throws the
/// same Error on every rank, with the failing rank's reason, and leaves nothing behind; what was at
/// `path` before is then still there. Then replaces `pointer` (last_checkpoint, "" for none) by a
/// file that holds `path`.
void write_checkpoint(const std::string& path, const std::string& pointer,
                      const Checkpoint& checkpoint, Comm& comm);

/// Throws Error that names what write_checkpoint() could not write of the states of modules and
/// run.
void check_states(const Checkpoint& checkpoint);

/// Throws Error that says what is wrong (missing manifest, size, checksum) unless it is complete.
/// Reads every byte.
void validate_checkpoint(const std::string& path);
/// Reads what rank `rank` needs. Checks the form of the files, not their checksums.
Checkpoint read_checkpoint(const std::string& path, int rank);
/// What one rank had of its own.
State read_rank_state(const std::string& path, int rank);

/// Writes weights alone as a .safetensors file: complete, or what was there before.
void write_weights(const std::string& path, const NamedTensors& weights,
                   const ClassFacts& classes = {});

}  // namespace ailab
