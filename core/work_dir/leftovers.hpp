#pragma once
#include <string>
#include <vector>

namespace ailab {

/// Removes what runs that were killed have left in a work_dir, under the lock of each: checkpoints
/// and files that were being written, locks; and this user's shared memory of processes that are
/// gone. A checkpoint that was set aside to be replaced, and was not, is put back. What belongs to
/// a run that is alive stays. Returns what was done, a line each. Rank 0 alone; never throws for
/// what it cannot remove, which then is such a line.
std::vector<std::string> remove_leftovers(const std::string& work_dir);

/// The same for a folder of checkpoints outside of the runs' folders: what processes of this host
/// that are gone were writing there.
std::vector<std::string> remove_leftovers_of_dead(const std::string& checkpoint_folder);

}  // namespace ailab
