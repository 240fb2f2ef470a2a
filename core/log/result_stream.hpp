#pragma once
#include <cstdio>

#include "ailab/export.hpp"

namespace ailab {

/// Takes the numbers of standard streams that whoever started the process has closed (`>&-`, some
/// daemons), or a plugin: the next file that is opened would get one, and what a library prints, or
/// the log, would be written into that file. Reading and writing them fails as before. First in
/// main(). Thread-safe.
AILAB_API void occupy_closed_streams() noexcept;

/// An open file's descriptor, which is a new one where the file has got a standard stream's number.
/// Closes nothing and gives `file` back where that fails.
int above_standard_streams(int file) noexcept;

/// Keeps standard output for results, of a command that prints some: what else writes there (a
/// plugin's prints, a library's) goes to standard error from here on, so that JSON lines stay JSON.
/// Before plugins are
/// loaded.
AILAB_API void keep_stdout_for_results();

/// Where results go: standard output.
AILAB_API std::FILE* result_stream() noexcept;

}  // namespace ailab
