#include "leftovers.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "ailab/error.hpp"
#include "files/temporary_name.hpp"
#include "run_lock.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

/// Also one that has ended and that nobody has waited for: the first process of a container may
/// never do so.
bool is_gone(pid_t process) {
    if (::kill(process, 0) != 0) return errno == ESRCH;
    std::ifstream file(concat("/proc/", int64_t(process), "/stat"));
    std::string stat;
    std::getline(file, stat);
    const size_t name_ends = stat.rfind(')');
    const char state = name_ends + 2 < stat.size() ? stat[name_ends + 2] : '?';
    return state == 'Z' || state == 'X';
}

std::vector<fs::path> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code none;  // a folder that is not there, or not readable, has none
    for (const auto& entry : fs::directory_iterator(folder, none)) entries.push_back(entry.path());
    return entries;
}

class Cleaner {
  public:
    /// What is under such a name, which is complete nowhere.
    void remove(const fs::path& path) {
        std::error_code error;
        const std::string set_aside = name_before_set_aside(path.string());
        if (!set_aside.empty() && !fs::exists(set_aside, error)) {
            fs::rename(path, set_aside, error);
            say(error, "put back ", set_aside, set_aside);
            return;
        }
        fs::remove_all(path, error);
        say(error, "removed ", path.string(), path.string());
    }
    std::vector<std::string> lines;

  private:
    void say(const std::error_code& error, const char* what, const std::string& done,
             const std::string& path) {
        lines.push_back(error ? concat("cannot remove ", path, ": ", error.message())
                              : concat(what, done));
    }
};

std::vector<fs::path> temporaries_in(const fs::path& folder) {
    std::vector<fs::path> found;
    for (const fs::path& path : entries_of(folder))
        if (is_temporary_name(path.filename().string())) found.push_back(path);
    return found;
}

/// Anything else may lie in a work_dir too.
bool is_run(const fs::path& folder) {
    std::error_code none;
    for (const char* file : {"config.yaml", "branch.json", ".lock"})
        if (fs::exists(folder / file, none)) return true;
    return false;
}

bool is_of_work_dir(const std::string& name) {
    return name.starts_with("latest.") || name.starts_with("last_checkpoint.");
}

void clean_run(const fs::path& run, Cleaner& cleaner) {
    std::vector<fs::path> found = temporaries_in(run);
    const std::vector<fs::path> checkpoints = temporaries_in(run / "checkpoints");
    found.insert(found.end(), checkpoints.begin(), checkpoints.end());
    std::error_code none;
    // The lock itself goes with those who take it.
    if (found.empty() && !fs::exists(run / ".lock", none)) return;
    try {
        with_dead_run(run.string(), [&] {
            for (const fs::path& path : found) cleaner.remove(path);
        });
    } catch (const Error& error) {
        cleaner.lines.push_back(error.what());
    }
}

/// The plugin shm names its memory `ailab-shm-<pid namespace>-<process>-…`.
void clean_shared_memory(Cleaner& cleaner) {
    struct stat own {};
    if (::stat("/proc/self/ns/pid", &own) != 0) return;
    const std::string prefix = concat("ailab-shm-", uint64_t(own.st_ino), "-");
    for (const fs::path& path : entries_of("/dev/shm")) {
        const std::string name = path.filename().string();
        struct stat info {};
        pid_t process = 0;
        if (!name.starts_with(prefix) || ::lstat(path.c_str(), &info) != 0 ||
            info.st_uid != ::geteuid())
            continue;
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), process);
        if (process > 0 && is_gone(process)) cleaner.remove(path);
    }
}

}  // namespace

std::vector<std::string> remove_leftovers(const std::string& work_dir) {
    Cleaner cleaner;
    clean_shared_memory(cleaner);
    bool others = false;
    std::vector<fs::path> own;
    for (const fs::path& path : entries_of(work_dir)) {
        std::error_code none;
        const std::string name = path.filename().string();
        if (is_temporary_name(name) && is_of_work_dir(name)) {
            // A run that just begins has no lock yet.
            const std::optional<int64_t> process = writer_on_this_host(name);
            if (!process || is_gone(pid_t(*process))) own.push_back(path);
        } else if (fs::is_directory(fs::symlink_status(path, none)) && is_run(path)) {
            clean_run(path, cleaner);
            others = others || is_run_alive(path.string());
        }
    }
    // A run that is alive may just be writing them.
    if (!others)
        for (const fs::path& path : own) cleaner.remove(path);
    return cleaner.lines;
}

std::vector<std::string> remove_leftovers_of_dead(const std::string& checkpoint_folder) {
    Cleaner cleaner;
    for (const fs::path& path : temporaries_in(checkpoint_folder)) {
        const std::optional<int64_t> process = writer_on_this_host(path.filename().string());
        if (process && is_gone(pid_t(*process))) cleaner.remove(path);
    }
    return cleaner.lines;
}

}  // namespace ailab
