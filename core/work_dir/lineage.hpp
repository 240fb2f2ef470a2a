#pragma once
// Which checkpoints belong together, and which was trained last, without asking a clock.
#include <optional>
#include <string>
#include <vector>

#include "ailab/node.hpp"

namespace ailab {

/// A stretch of training, up to one of its checkpoints. A run's first has the name of the run's
/// folder; where the run goes on from a checkpoint that is not its newest, another one begins.
struct Branch {
    std::string name;
    int64_t step = 0;   // of that checkpoint
    int64_t order = 0;  // of that checkpoint
};

/// Where a checkpoint stands: the branches that led to it, each up to where the next one left it;
/// the last is its own. `order` grows with each checkpoint and each start of a run in a work_dir,
/// whichever run it is. Checkpoints of format 1 have none: theirs is 0.
struct Lineage {
    std::vector<Branch> branches;

    const Branch& own() const { return branches.back(); }
    /// Whether `checkpoint` is this one or lies on the way to it.
    bool holds(const Lineage& checkpoint) const;
    /// Whether `checkpoint` comes later on the same branch.
    bool is_before(const Lineage& checkpoint) const;
};

/// As a manifest's facts give it; `path` is the checkpoint's folder.
Lineage lineage_of(const Node& facts, const std::string& path);
/// A manifest's fact "branch".
Node lineage_node(const Lineage& lineage);

/// Each start of a run notes in `<run_dir>/branch.json` where it begins: what was trained last is
/// then known before there is a checkpoint of it. Nothing if there is no such note.
std::optional<Lineage> read_start(const std::string& run_dir);

/// A run begins in `run_dir`, from the checkpoint `from` or afresh (""); `goes_on`: it is the run
/// that wrote it. Notes the start and, where later checkpoints of its branch are left behind,
/// begins another branch, lets `last_checkpoint` name `from`, and logs which stay behind. Rank 0
/// alone.
Lineage begin_branch(const std::string& work_dir, const std::string& run_dir,
                     const std::string& from, bool goes_on);

/// The lineage of the next checkpoint, at `step`, of a run that stands at `lineage`; another run of
/// the work_dir may have written since `newest`, this run's newest checkpoint.
Lineage next_on_branch(Lineage lineage, int64_t step, const std::string& work_dir,
                       const std::string& newest);

}  // namespace ailab
