#pragma once
#include <functional>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// Begins the log of a run on this rank: with `world` above 1, warnings and errors carry the rank,
/// and info lines appear on rank 0 alone. Until the first log_to_file() the lines are kept for that
/// file.
AILAB_API void set_log_rank(int rank, int world);

/// While `collect` is set, warnings go to it in place of the log: the job brings those of all ranks
/// together and tells each once, by log_collected(). Called while the log is locked: it must
/// neither log nor wait. An empty function ends that.
void collect_warnings(std::function<void(const std::string& text)> collect);
/// A warning that already says whose it is.
void log_collected(const std::string& text);

/// The message with which the job ends, to the log file alone: it is on the console already, or on
/// rank 0's. Gives up when the log is held for long, by a console that takes nothing any more.
void log_last_words(const std::string& text);

/// Whether something (a progress bar) draws on the console: what does not go through the log is to
/// begin a line of its own there. May be called in a signal handler.
bool console_is_drawn_on() noexcept;

}  // namespace ailab
