#include "log_folder.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "stored_text.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr const char* owner_file = "run_dir";

bool has_own(const Run& run, const GivenFolder& log_dir) {
    return !log_dir.value || run.dry_run();  // a dry run leaves nothing outside of its folder
}

std::string owner_of(const fs::path& folder) {
    std::string owner = stored_text(folder / owner_file);
    if (owner.ends_with('\n')) owner.pop_back();
    return owner;
}

void write_owner(const fs::path& folder, const std::string& owner) {
    const fs::path path = folder / owner_file;
    std::ofstream file(path, std::ios::binary);
    if (!(file << owner << '\n' << std::flush)) throw Error(concat("cannot write ", path.string()));
}

/// Replaces a link in one step; what is no link stays.
std::error_code link(const fs::path& target, const fs::path& path) {
    std::error_code error;
    const fs::file_status present = fs::symlink_status(path, error);
    if (fs::exists(present) && !fs::is_symlink(present))
        return std::make_error_code(std::errc::file_exists);
    const fs::path fresh =
        path.parent_path() / concat(".", path.filename().string(), "-", int64_t(getpid()));
    fs::remove(fresh, error);
    fs::create_symlink(target, fresh, error);
    if (error) return error;
    fs::rename(fresh, path, error);
    return error;
}

}  // namespace

std::string log_folder(const Run& run, const GivenFolder& log_dir) {
    if (has_own(run, log_dir)) return run.run_dir();
    make_output_folder(log_dir, "log_dir");
    std::error_code error;
    const fs::path run_dir = fs::absolute(run.run_dir()).lexically_normal();
    for (int64_t number = 0;; ++number) {
        const std::string suffix = number == 0 ? "" : concat("_", number);
        const fs::path folder = fs::path(*log_dir.value) / (run_dir.filename().string() + suffix);
        if (fs::create_directory(folder, error)) {
            write_owner(folder, run_dir.string());
            return folder.string();
        }
        if (error)
            throw ConfigError({{log_dir.place, concat("log_dir: cannot create the folder ",
                                                      folder.string(), ": ", error.message())}});
        if (owner_of(folder) == run_dir.string()) return folder.string();
    }
}

void link_logs(const Run& run, const GivenFolder& log_dir, const std::string& folder,
               const std::vector<std::string>& names) {
    if (has_own(run, log_dir)) return;
    const fs::path name = fs::path(folder).filename();
    std::string reason;
    const bool trains = run.dataset(Phase::train) != nullptr;
    for (const std::string& file : names) {
        if (const auto error =
                trains ? link(name / file, fs::path(*log_dir.value) / file) : std::error_code())
            reason = concat(file, ": ", error.message());
        // Not there, the run is still whole.
        (void)link(fs::absolute(folder) / file, fs::path(run.run_dir()) / file);
    }
    if (!reason.empty())
        log_warning("the log_dir ", *log_dir.value, " gets no links to this run's logs (", reason,
                    "); they are in ", folder);
}

void replace_link_by_copy(const std::string& path) {
    std::error_code error;
    if (!fs::is_symlink(fs::symlink_status(path, error))) return;
    const std::string fresh = concat(path, ".tmp-", int64_t(getpid()));
    if (fs::exists(path, error))
        fs::copy_file(path, fresh, fs::copy_options::overwrite_existing, error);
    else
        std::ofstream(fresh).flush();  // what it named is gone
    if (!error) fs::rename(fresh, path, error);
    if (error) throw Error(concat("cannot copy what ", path, " links to: ", error.message()));
}

}  // namespace ailab
