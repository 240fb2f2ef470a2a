#include "earlier_starts.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "ailab/log.hpp"
#include "records.hpp"
#include "trackers/transaction_log.hpp"

namespace ailab::wandb {
namespace fs = std::filesystem;
namespace {

/// The client leaves the first two when it has begun or ended to upload, we the third when we have
/// it do so.
bool may_be_uploaded(const fs::path& file) {
    return fs::exists(file.string() + ".synced") || fs::exists(file.string() + ".syncstate") ||
           fs::exists(file.parent_path() / "logs" / upload_log_name);
}

}  // namespace

int64_t cut_earlier_starts(const std::string& folder, const std::string& run_id,
                           int64_t last_kept) {
    int64_t last_step = -1;
    if (!fs::is_directory(folder)) return last_step;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const fs::path file = entry.path() / ("run-" + run_id + ".wandb");
        if (!fs::exists(file)) continue;
        const bool fixed = may_be_uploaded(file);
        int64_t end = int64_t(log_header(wandb_log).size());
        try {
            bool reached = false;
            for (const StoredRecord& stored : read_log(file.string(), wandb_log)) {
                const auto step = history_step(stored.bytes);
                reached = step && *step > last_kept;
                if (reached && !fixed) break;
                if (step) last_step = std::max(last_step, *step);
                end = stored.end;
            }
            // A last record that a kill has cut off is of a step that comes again.
            if (!reached && last_step < last_kept && uintmax_t(end) < fs::file_size(file))
                log_warning(file.string(), " is damaged behind byte ", end,
                            ": W&B will miss what was logged there");
            if (!fixed) fs::resize_file(file, uintmax_t(end));
        } catch (const std::exception& error) {
            log_warning("what an earlier start of this run has written for W&B stays as it is: ",
                        error.what());
        }
    }
    return last_step;
}

}  // namespace ailab::wandb
