#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/run.hpp"
#include "options/output_folder.hpp"

namespace ailab {

/// The folder in which a hook writes this run's logs, on rank 0 in before_run: the run's own, or,
/// where the hook's options name a `log_dir`, which many runs may share, the run's in there:
/// `<log_dir>/<start time>`, which is made. A run that goes on finds it again. (A run of another
/// work_dir that began in the same second gets `<start time>_1`; the file `run_dir` in it tells
/// them apart.) Throws ConfigError at the option's place.
std::string log_folder(const Run& run, const GivenFolder& log_dir);

/// Makes `<log_dir>/<name>` links to this run's files in `folder`, which log_folder() gave, in
/// place of those to an earlier run's, if the run trains; the run's folder gets such links too, for
/// those who look there. Nothing without a log_dir. Where a link cannot be made a warning names the
/// folder.
void link_logs(const Run& run, const GivenFolder& log_dir, const std::string& folder,
               const std::vector<std::string>& names);

/// Before a run goes on in a file that is a link (its log_dir was given then and is not now, or the
/// work_dir is a copy): a copy of the file takes the link's place, so that nobody else's log is cut
/// or written to. Throws Error.
void replace_link_by_copy(const std::string& path);

}  // namespace ailab
