#include "launcher_cores.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "ailab/error.hpp"

namespace ailab {
namespace {

/// What /proc/<pid>/stat tells: "42 (name) S parent …"; the name may hold anything.
struct Process {
    std::string name;
    int parent = 0;
};

std::optional<Process> process_of(int pid) {
    std::ifstream file(concat("/proc/", pid, "/stat"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const size_t open = text.find('('), close = text.rfind(')');
    if (open == std::string::npos || close == std::string::npos || text.size() < close + 5)
        return std::nullopt;
    return Process{text.substr(open + 1, close - open - 1), std::atoi(text.c_str() + close + 4)};
}

bool is_launcher(const std::string& name) {
    constexpr std::array names = {"mpirun", "mpiexec", "orterun", "orted", "prte"};
    return std::any_of(names.begin(), names.end(),
                       [&](const char* known) { return name.starts_with(known); });
}

}  // namespace

std::optional<cpu_set_t> launcher_cores() {
    for (int pid = getppid(); pid > 0;) {
        const std::optional<Process> process = process_of(pid);
        if (!process) break;
        if (is_launcher(process->name)) {
            cpu_set_t cores;
            CPU_ZERO(&cores);
            if (sched_getaffinity(pid, sizeof cores, &cores) != 0) break;
            return cores;
        }
        pid = process->parent;
    }
    return std::nullopt;
}

}  // namespace ailab
