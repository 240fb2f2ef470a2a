#include "launcher_watch.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "ailab/error.hpp"
#include "environment.hpp"
#include "last_words.hpp"
#include "net.hpp"
#include "support/start_thread.hpp"

namespace ailab {
namespace dist {
namespace {

/// What a launcher gives each of its processes, and has not been given itself.
struct LauncherMark {
    const char* given;
    const char* proof;  // nobody sets it by hand
    const char* rank;
};
constexpr std::array<LauncherMark, 3> marks = {
    {{"OMPI_COMM_WORLD_RANK", "PMIX_NAMESPACE", "OMPI_COMM_WORLD_RANK"},
     {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RUN_ID", "RANK"},
     {"SLURM_PROCID", "SLURM_STEP_ID", "SLURM_PROCID"}}};

/// Whose children are those that have lost their parent: init, and what stands for it in a
/// container or a session. An mpirun may be a container's first process too.
constexpr std::array reapers = {"init",   "systemd",   "tini",  "dumb-init",      "docker-init",
                                "conmon", "catatonit", "pause", "containerd-shim"};
constexpr std::array launchers = {"mpirun", "mpiexec", "orterun", "orted",      "prterun",
                                  "prted",  "prte",    "srun",    "slurmstepd", "torchrun"};

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string process_file(pid_t process, const char* name) {
    return concat("/proc/", int64_t(process), "/", name);
}

constexpr pid_t outside = 0;  // of this process's container
constexpr pid_t gone = -1;

pid_t parent_of(pid_t process) {
    const std::string stat = read_text(process_file(process, "stat"));
    const size_t name_end = stat.rfind(')');  // the name may hold anything
    if (name_end == std::string::npos) return gone;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string state;
    pid_t parent = gone;
    fields >> state >> parent;
    return parent;
}

std::string name_of(pid_t process) {
    std::string name = read_text(process_file(process, "comm"));
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return name;
}

/// Whether a process was given the variable when it started. What may not be read is another
/// user's: a daemon, which starts processes and is none of them.
bool was_given(pid_t process, const std::string& variable) {
    const std::string all = '\0' + read_text(process_file(process, "environ"));
    return all.find('\0' + variable + '\0') != std::string::npos;
}

bool is_among(const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool adopts_orphans(pid_t process) {
    const std::string name = name_of(process);
    if (is_among(launchers, name)) return false;
    return is_among(reapers, name) || (process == 1 && !name.starts_with("python"));
}

/// The nearest ancestor that is not one of the launcher's processes itself.
pid_t find_launcher(const std::string& variable) {
    pid_t process = ::getppid();
    while (process > 1 && was_given(process, variable)) process = parent_of(process);
    if (process == outside || process == gone) return process;
    if (process == 1 && was_given(process, variable)) return outside;
    return adopts_orphans(process) ? gone : process;
}

bool is_ancestor(pid_t wanted) {
    pid_t process = ::getppid();
    while (process > 1 && process != wanted) process = parent_of(process);
    return process == wanted;
}

std::mutex end_mutex;
std::function<void()> end_now;  // guarded by end_mutex

[[noreturn]] void print_and_end(const std::string& rank) {
    print_line(concat("ailab: [rank ", rank, ", ", host_name(), "] start: ", launcher_is_gone));
    ::_exit(1);
}

void end_process(const std::string& rank) {
    const std::lock_guard lock(end_mutex);
    end_now ? end_now() : print_and_end(rank);
}

/// Returns when the process is gone.
void wait_for_end(pid_t process, const FileDescriptor& handle) {
    if (handle) {
        pollfd wait{handle.get(), POLLIN, 0};
        while (::poll(&wait, 1, -1) < 0 && errno == EINTR) {
        }
        return;
    }
    // A kernel before 5.3, or a container that does not let it.
    while (is_ancestor(process)) std::this_thread::sleep_for(std::chrono::milliseconds(250));
}

FileDescriptor open_process(pid_t process) {
#ifdef SYS_pidfd_open
    return FileDescriptor(int(::syscall(SYS_pidfd_open, process, 0)));
#else
    return FileDescriptor();
#endif
}

}  // namespace

void when_launcher_ends(std::function<void()> end) {
    const std::lock_guard lock(end_mutex);
    end_now = std::move(end);
}

}  // namespace dist

void watch_launcher() {
    using namespace dist;
    for (const LauncherMark& mark : marks) {
        const std::optional<std::string> given = environment(mark.given);
        const std::optional<std::string> rank = environment(mark.rank);
        if (!given || !rank || !environment(mark.proof)) continue;
        // One task of Slurm may be a shell, in which somebody works.
        if (mark.given == std::string("SLURM_PROCID") &&
            environment("SLURM_NTASKS").value_or("1") == "1")
            continue;
        const pid_t launcher = find_launcher(concat(mark.given, "=", *given));
        if (launcher == outside) return;
        if (launcher == gone) print_and_end(*rank);
        FileDescriptor handle = open_process(launcher);
        // It may have gone meanwhile, and its number may be another's now.
        if (!is_ancestor(launcher)) print_and_end(*rank);
        start_thread("ailab-launcher", [rank = *rank, launcher,
                                        handle =
                                            std::make_shared<FileDescriptor>(std::move(handle))] {
            wait_for_end(launcher, *handle);
            end_process(rank);
        }).detach();
        return;
    }
}

}  // namespace ailab
