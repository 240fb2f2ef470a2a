#pragma once
#include <string>
#include <vector>

namespace ailab {

/// The newest valid checkpoint, and what was passed over on the way there. The newest is the last
/// one of the branch that was trained last (see lineage.hpp), before it come those that led there,
/// then those of other branches. Only between runs whose checkpoints are of format 1 the time when
/// they were saved counts.
struct FoundCheckpoint {
    std::string path;                  // "" when there is none
    std::vector<std::string> skipped;  // "<path>: why it cannot be used", as they were tried
    bool exist = false;                // whether there are any that were completed, good or not
};

/// Looks through all runs of a work_dir, and through the folder that its last_checkpoint names if
/// that, too, is of one of these runs.
FoundCheckpoint find_newest_checkpoint(const std::string& work_dir);

/// What a run that goes on from a checkpoint does not come from.
struct LeftBehind {
    std::vector<std::string> names;  // of the folders, without their paths
    bool on_branch = false;          // some come later on the checkpoint's own branch
};
/// Among the checkpoints beside `checkpoint` and in the run's folder.
LeftBehind find_left_behind(const std::string& checkpoint, const std::string& run_dir);

/// The path with a run's own name in place of the link `latest`, which will mean a later run.
std::string without_latest(const std::string& path);

/// The folder of a run that was written as `run_dir`, as it stands in `work_dir` now; "" when the
/// run is of another work_dir (one that this is a copy of, say).
std::string run_folder_in(const std::string& work_dir, const std::string& run_dir);

/// What a path given by a user means: a checkpoint's folder or file as it is; a `last_checkpoint`
/// the checkpoint that it names; a run's folder (or `latest`) its newest valid one. Throws Error
/// that says what to give.
std::string resolve_checkpoint(const std::string& given);

}  // namespace ailab
