#pragma once
// Which checkpoint a run goes on from, and whether it may.
#include <optional>
#include <string>
#include <vector>

#include "ailab/hook.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/original_checkpoint.hpp"
#include "config_changes.hpp"
#include "distributed/job.hpp"
#include "schema/run_config.hpp"

namespace ailab {
class Dataset;
}

namespace ailab {

/// A checkpoint that a run goes on from.
struct Resume {
    ResumePlan plan;
    std::string path;
    Checkpoint checkpoint;
    std::string age_note;  // what an older format has not, see Manifest
    int world_size = 0;    // of the run that wrote it
    /// With as many ranks as then: this rank's own. Else rank 0 has all of them, the others none.
    std::vector<State> rank_states;
    /// The folder of the run that wrote it, if it is in this work_dir: the run goes on there.
    std::string run_dir;
    int64_t global_batch_size = 0;
    bool same_ranks = true;

    bool same_world() const { return same_ranks; }
    /// A `.pth` file of the Python ailab: weights, optimizer and epoch.
    std::optional<OriginalCheckpoint> original;
    /// What the configuration has changed since.
    std::vector<ConfigChange> changes;
    /// Transforms of data.train that are listed on one side alone: whether they are those of before
    /// only the data set tells, see check_transforms().
    std::optional<ConfigChange> transforms_change;
    Node transforms_before;
    /// Whether that holds for the batch's size, or is not known.
    bool batch_changed = true;
};

/// Finds, validates and reads the checkpoint that `plan` asks for. Nothing for a fresh run (also
/// when "auto" finds none at all, which is logged). Collective. Throws Error when it cannot be
/// used, ConfigError when the configuration has changed in a way that a resume cannot bear;
/// harmless changes are logged.
std::optional<Resume> prepare_resume(const ResumePlan& plan, const RunConfig& config, Job& job);

/// Whether the data set's default transforms are those that the other configuration lists. Throws
/// ConfigError.
void check_transforms(const Resume& resume, const RunConfig& config, const Dataset& train);

}  // namespace ailab
