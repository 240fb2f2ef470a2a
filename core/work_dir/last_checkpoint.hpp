#pragma once
#include <string>

namespace ailab {

/// `<work_dir>/last_checkpoint` is a text that names the newest checkpoint by the path that it had
/// when it was written. A work_dir may have been copied or moved since: then the same checkpoint in
/// the text's own folder is meant, where there is one.
struct LastCheckpoint {
    std::string written;  // "" when there is no such text
    std::string meant;
    bool inside = false;  // `meant` lies in the text's own folder
};
LastCheckpoint read_last_checkpoint(const std::string& file);

/// What a path given by a user stands for: for a `last_checkpoint` the checkpoint that it names,
/// else the path itself. Throws Error when it is not there; `choices` says what to name instead.
std::string follow_last_checkpoint(const std::string& given, const std::string& choices);

}  // namespace ailab
