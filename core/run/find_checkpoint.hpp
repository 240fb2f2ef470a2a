#pragma once
#include <string>
#include <vector>

namespace ailab {

/// The newest valid checkpoint, and what was passed over on the way there.
struct FoundCheckpoint {
    std::string path;                  // "" when there is none
    std::vector<std::string> skipped;  // "<path>: why it cannot be used", newest first
};

/// Looks through all runs of a work_dir, and through the folder that its last_checkpoint names.
FoundCheckpoint find_newest_checkpoint(const std::string& work_dir);

/// What a path given by a user means: a checkpoint's folder or file as it is; a `last_checkpoint`
/// the checkpoint that it names; a run's folder (or `latest`) its newest valid one. Throws Error
/// that says what to give.
std::string resolve_checkpoint(const std::string& given);

}  // namespace ailab
