#include "find_checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <compare>
#include <filesystem>
#include <limits>
#include <set>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"
#include "checkpoint/state_files.hpp"
#include "last_checkpoint.hpp"
#include "state_access.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

/// When a checkpoint was taken, to be compared. Its manifest knows; the times of files are those of
/// the copy when a work_dir was copied.
struct Age {
    int64_t second = 0;
    int64_t step = 0;
    int64_t nanosecond = 0;  // of the file's time, from the epoch
    auto operator<=>(const Age&) const = default;
};

Age age_of(const fs::path& folder) {
    Age age;
    struct stat info {};
    if (stat((folder / checkpoint_file::manifest).c_str(), &info) == 0 ||
        stat(folder.c_str(), &info) == 0)
        age.nanosecond = int64_t(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
    age.second = info.st_mtim.tv_sec;
    try {
        const Manifest manifest = read_manifest(folder);
        const StateReader facts(manifest.facts);
        const int64_t step = facts.integer("step"), second = facts.integer("saved_at");
        age.step = step;
        age.second = second;
    } catch (const Error&) {
        // It cannot be used, and whoever tries says why: of those of one second it is tried first.
        age.step = std::numeric_limits<int64_t>::max();
    }
    return age;
}

/// Folders that are, or were to become, checkpoints.
void collect(const fs::path& folder, std::set<fs::path>& found) {
    std::error_code none;  // a folder that is not there, or not readable, has none
    for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string name = entry.path().filename();
        const bool named =
            name.starts_with("epoch_") || name.starts_with("iter_") || name.starts_with("best_");
        if (entry.is_directory(none) &&
            (named || fs::exists(entry.path() / checkpoint_file::manifest, none)))
            found.insert(entry.path());
    }
}

/// Adds those of a folder that are not known under another path.
void collect_new(const fs::path& folder, std::set<fs::path>& found) {
    std::set<fs::path> there;
    collect(folder, there);
    std::error_code none;
    for (const fs::path& path : there)
        if (std::none_of(found.begin(), found.end(),
                         [&](const fs::path& known) { return fs::equivalent(path, known, none); }))
            found.insert(path);
}

/// The folder of the run that wrote the checkpoints in `folder`, as one of them tells; "" for none.
std::string run_folder_of(const fs::path& folder) {
    std::set<fs::path> checkpoints;
    collect(folder, checkpoints);
    for (const fs::path& path : checkpoints) {
        try {
            const Manifest manifest = read_manifest(path);
            if (const Node* run = manifest.facts.find("run_dir"); run && run->is_string())
                return run->as_string();
        } catch (const Error&) {
            // Whoever wants to use this one says what is wrong with it.
        }
    }
    return "";
}

FoundCheckpoint newest_of(const std::set<fs::path>& candidates) {
    std::vector<std::pair<Age, fs::path>> by_age;
    for (const fs::path& path : candidates) by_age.emplace_back(age_of(path), path);
    std::sort(by_age.rbegin(), by_age.rend());
    FoundCheckpoint found;
    for (const auto& [age, path] : by_age) {
        if (path.filename().string().find(".tmp-") != std::string::npos) {
            found.skipped.push_back(concat(path.string(), ": its writing was broken off"));
            continue;
        }
        try {
            validate_checkpoint(path);
            found.path = path;
            return found;
        } catch (const std::exception& error) {
            found.skipped.push_back(concat(path.string(), ": ", error.what()));
        }
    }
    return found;
}

}  // namespace

std::string run_folder_in(const std::string& work_dir, const std::string& run_dir) {
    std::error_code none;
    const fs::path told = fs::absolute(run_dir).lexically_normal();
    if (fs::exists(told, none) && !fs::equivalent(told.parent_path(), work_dir, none)) return "";
    const fs::path here = fs::path(work_dir) / told.filename();
    return fs::exists(here / "config.yaml", none) ? here.string() : "";
}

FoundCheckpoint find_newest_checkpoint(const std::string& work_dir) {
    std::set<fs::path> candidates;
    std::error_code none;
    for (const auto& run : fs::directory_iterator(work_dir, none))
        if (!run.is_symlink(none)) collect(run.path() / "checkpoints", candidates);
    // A save_dir may lie elsewhere.
    const LastCheckpoint last =
        read_last_checkpoint((fs::path(work_dir) / "last_checkpoint").string());
    const fs::path save_dir = fs::path(last.meant).parent_path();
    std::string foreign, gone;
    if (!last.written.empty()) {
        const std::string run = last.inside ? "" : run_folder_of(save_dir);
        if (run.empty() || !run_folder_in(work_dir, run).empty())
            collect_new(save_dir, candidates);
        else
            foreign =
                concat(last.meant, ": the last_checkpoint of ", work_dir,
                       " names it, but it is of the run ", run,
                       ", outside of this work_dir; to go on from it, name it in resume_from");
        if (!fs::exists(last.meant, none))
            gone = concat(last.meant, ": last_checkpoint names it, and it is not there");
    }
    FoundCheckpoint found = newest_of(candidates);
    found.exist = !candidates.empty() || !foreign.empty();
    for (const std::string& one : {foreign, gone})
        if (!one.empty()) found.skipped.push_back(one);
    return found;
}

std::string resolve_checkpoint(const std::string& given) {
    std::error_code none;
    const std::string path =
        follow_last_checkpoint(given,
                               "a checkpoint's folder (…/checkpoints/epoch_1), a run's folder, a "
                               "last_checkpoint, or auto");
    for (const char* part : {checkpoint_file::manifest, checkpoint_file::model})
        if (!fs::is_directory(path, none) || fs::exists(fs::path(path) / part, none)) return path;
    std::set<fs::path> candidates;
    collect(fs::path(path) / "checkpoints", candidates);
    collect(path, candidates);
    const FoundCheckpoint found = newest_of(candidates);
    if (found.path.empty())
        throw Error(
            concat(path, " is no checkpoint",
                   found.skipped.empty() ? " and holds none" : ": " + join(found.skipped, "; "),
                   fs::exists(fs::path(path) / "latest", none)
                       ? concat("; its newest run is ", (fs::path(path) / "latest").string())
                       : ""));
    return found.path;
}

}  // namespace ailab
