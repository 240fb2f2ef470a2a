#pragma once
// Log lines. Thread-safe. Info lines appear on rank 0 alone; warnings on every rank, with the rank.
#include <functional>
#include <string>

#include "ailab/error.hpp"
#include "ailab/export.hpp"

namespace ailab {

enum class LogLevel { debug, info, warning, error };

/// Sends one line to the console (stderr) and to the log files that hooks have opened.
AILAB_API void log(LogLevel level, const std::string& line);

template <class... Parts>
void log_info(const Parts&... parts) {
    log(LogLevel::info, concat(parts...));
}
template <class... Parts>
void log_warning(const Parts&... parts) {
    log(LogLevel::warning, concat(parts...));
}

/// From now on lines are also appended to this file (rank 0's LoggerHook does this). An empty path
/// ends that. Throws Error when the file cannot be written.
AILAB_API void log_to_file(const std::string& path);

/// While `writer` is set, lines for the console go through it instead of to stderr: what draws
/// there (a progress bar) puts them above its drawing. Called with whole lines, one call at a time,
/// while the log is locked: it must not log. An empty function ends that.
AILAB_API void log_through(std::function<void(const std::string& lines)> writer);

}  // namespace ailab
