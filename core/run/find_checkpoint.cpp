#include "find_checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

constexpr const char* manifest_name = "manifest.json";

/// Nanoseconds of the last change of a checkpoint's manifest, or of its folder without one.
int64_t written_at(const fs::path& folder) {
    struct stat info {};
    if (stat((folder / manifest_name).c_str(), &info) != 0 && stat(folder.c_str(), &info) != 0)
        return 0;
    return int64_t(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

/// Folders that are, or were to become, checkpoints.
void collect(const fs::path& folder, std::set<fs::path>& found) {
    std::error_code none;  // a folder that is not there, or not readable, has none
    for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string name = entry.path().filename();
        const bool named =
            name.starts_with("epoch_") || name.starts_with("iter_") || name.starts_with("best_");
        if (entry.is_directory(none) && (named || fs::exists(entry.path() / manifest_name, none)))
            found.insert(entry.path());
    }
}

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

FoundCheckpoint newest_of(const std::set<fs::path>& candidates) {
    std::vector<std::pair<int64_t, fs::path>> by_age;
    for (const fs::path& path : candidates) by_age.emplace_back(written_at(path), path);
    std::sort(by_age.rbegin(), by_age.rend());
    FoundCheckpoint found;
    for (const auto& [time, path] : by_age) {
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

FoundCheckpoint find_newest_checkpoint(const std::string& work_dir) {
    std::set<fs::path> candidates;
    std::error_code none;
    for (const auto& run : fs::directory_iterator(work_dir, none))
        if (!run.is_symlink(none)) collect(run.path() / "checkpoints", candidates);
    // A save_dir may lie elsewhere.
    const std::string pointed = first_line(fs::path(work_dir) / "last_checkpoint");
    if (!pointed.empty()) {
        std::set<fs::path> beside;
        collect(fs::path(pointed).parent_path(), beside);
        for (const fs::path& path : beside) {
            const bool known = std::any_of(
                candidates.begin(), candidates.end(),
                [&](const fs::path& other) { return fs::equivalent(path, other, none); });
            if (!known) candidates.insert(path);
        }
    }
    return newest_of(candidates);
}

std::string resolve_checkpoint(const std::string& given) {
    std::error_code none;
    if (!fs::exists(given, none))
        throw Error(concat(given, " does not exist; name a checkpoint's folder (",
                           "…/checkpoints/epoch_1), a run's folder, a last_checkpoint, or auto"));
    if (fs::path(given).filename() == "last_checkpoint" && fs::is_regular_file(given, none)) {
        const std::string target = first_line(given);
        if (!fs::is_directory(target, none))
            throw Error(concat(given, " names the checkpoint \"", target,
                               "\", which is not there (a relative path counts from the current "
                               "directory); name the checkpoint's folder itself"));
        return target;
    }
    if (!fs::is_directory(given, none) || fs::exists(fs::path(given) / manifest_name, none))
        return given;
    std::set<fs::path> candidates;
    collect(fs::path(given) / "checkpoints", candidates);
    collect(given, candidates);
    const FoundCheckpoint found = newest_of(candidates);
    if (found.path.empty())
        throw Error(
            concat(given, " is no checkpoint",
                   found.skipped.empty() ? " and holds none" : ": " + join(found.skipped, "; ")));
    return found.path;
}

}  // namespace ailab
