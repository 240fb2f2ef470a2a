#pragma once
// How a run ended, as it says itself in its folder, whatever hooks it has.
#include <optional>
#include <string>

namespace ailab {

/// Rank 0, as the run begins or goes on: takes away what an earlier process has left. From here on
/// who ends the process before its time (a failure of any rank, a second signal) writes that down.
void begin_run_end(const std::string& run_dir);

/// "done", "stopped: …" or "failed: …", over what was written before. A warning where it cannot be
/// written.
void write_run_end(const std::string& run_dir, const std::string& exit) noexcept;

/// Rank 0: the job is over, and nothing that comes changes what was written.
void settle_run_end();

/// Nothing: the run has not ended, or was killed, or is of an earlier ailab. Throws Error where the
/// file is there and no file that can be read.
std::optional<std::string> read_run_end(const std::string& run_dir);

}  // namespace ailab
