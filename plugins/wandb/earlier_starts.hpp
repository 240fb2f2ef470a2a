#pragma once
#include <cstdint>
#include <string>

namespace ailab::wandb {

/// Makes room for a run that goes on from a checkpoint: of the files that its earlier starts left
/// in `folder` (the one named `wandb`), cuts off what was written after step `last_kept`, since
/// those steps are done again. A file that may have been uploaded is left as it is: what W&B has
/// cannot be taken back.
///
/// Returns the last step that the files hold now, or -1; W&B takes no step twice.
int64_t cut_earlier_starts(const std::string& folder, const std::string& run_id, int64_t last_kept);

/// The uploading client's output, in the `logs` of a start of a run.
inline constexpr const char* upload_log_name = "upload.log";

}  // namespace ailab::wandb
