#include "earlier_starts.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "ailab/error.hpp"
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
        for (const StoredRecord& stored : read_log(file.string(), wandb_log)) {
            const auto step = history_step(stored.bytes);
            if (step && *step > last_kept && !fixed) break;
            if (step) last_step = std::max(last_step, *step);
            end = stored.end;
        }
        if (!fixed) fs::resize_file(file, uintmax_t(end));
    }
    return last_step;
}

}  // namespace ailab::wandb
