#include "run_files.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "earlier_starts.hpp"
#include "trackers/run_names.hpp"

namespace ailab::wandb {
namespace fs = std::filesystem;

void RunFiles::open(const std::string& parent, const RunStart& start) {
    run_id_ = start.id;
    std::error_code error;
    fs::create_directories(parent, error);
    // A run that goes on within the second in which it was lost takes the next one.
    for (auto time = time_t(start.time);; ++time) {
        folder_ =
            (fs::path(parent) / concat("offline-run-", time_text(time), "-", run_id_)).string();
        if (error || fs::create_directory(folder_, error) || error) break;
    }
    for (const char* inside : {"files", "logs"})
        if (!error) fs::create_directory(fs::path(folder_) / inside, error);
    if (error)
        throw Error(concat("cannot create the folder ", folder_, ": ", error.message(),
                           "; choose another with init_args: {dir: …}"));
    log_.open(concat(folder_, "/run-", run_id_, ".wandb"));
}

std::string RunFiles::upload_log() const {
    return concat(folder_, "/logs/", upload_log_name);
}

bool RunFiles::is_uploaded() const {
    return fs::exists(concat(folder_, "/run-", run_id_, ".wandb.synced"));
}

void RunFiles::save(const std::string& name, const std::string& text) {
    const std::string path = concat(folder_, "/files/", name);
    std::ofstream file(path, std::ios::binary);
    if (file << text << std::flush)
        write(file_record(name));
    else
        log_warning("cannot write ", path, ". The training goes on; W&B will miss this file");
}

void RunFiles::write(const Content& content) {
    log_.append(record(++records_, run_id_, content));
}

}  // namespace ailab::wandb
