#pragma once
#include <string>

#include "ailab/comm.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// Makes `<work_dir>/<YYYYmmdd_HHMMSS>` (unique: a second run in the same second gets `_1`), rank 0
/// alone, and tells every rank. Throws Error when work_dir cannot be written.
std::string make_run_folder(const std::string& work_dir, Comm& comm);

/// `<work_dir>/latest` -> the run's folder, replaced in one step; a warning on a file system that
/// has no links.
void link_latest(const std::string& work_dir, const std::string& run_dir);

/// Writes a small text file completely, or throws Error with the path and the reason.
void write_text_file(const std::string& path, const std::string& text);

/// When the run of this folder was first started, in seconds since 1970: now, or what its
/// environment.json tells; 0 where that does not tell it.
int64_t started_at(const std::string& run_dir);

/// Versions, hosts, plugins: what environment.json holds.
Node describe_environment(Comm& comm, const std::string& backend, const std::string& device);

}  // namespace ailab
