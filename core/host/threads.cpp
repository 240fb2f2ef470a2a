#include "threads.hpp"

#include <ATen/Parallel.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "clock.hpp"
#include "launcher_cores.hpp"
#include "schema/limits.hpp"
#include "support/start_thread.hpp"

namespace ailab {

namespace {

const Clock::time_point loaded = Clock::now();

/// OMP_NUM_THREADS, or 0 where OpenMP takes none from it either. A list is of nested regions.
int openmp_threads() {
    const char* const text = std::getenv("OMP_NUM_THREADS");
    if (!text) return 0;
    const long threads = std::strtol(text, nullptr, 10);
    // So many cannot be started; LibTorch would try, and neither end nor fail.
    if (double(threads) > most_threads)
        throw ConfigError(concat("environment: OMP_NUM_THREADS is ", text, "; give at most ",
                                 int64_t(most_threads), ", or leave it out"));
    return std::max(0, int(threads));
}

int allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Of the host. The kernel cuts a wish for all down to what the container may use.
cpu_set_t all_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < int(sysconf(_SC_NPROCESSORS_CONF)); ++i) CPU_SET(i, &set);
    return set;
}

/// mpirun exports the policy only when the user gave --bind-to or its MCA parameter.
bool binding_was_asked_for() {
    return std::getenv("OMPI_MCA_hwloc_base_binding_policy") != nullptr;
}

/// LibTorch's thread pool waits for good for threads that could not be started.
void check_startable(int threads) {
    std::vector<std::thread> started;
    std::latch over(1);
    std::string problem;
    try {
        while (int(started.size()) < threads)
            started.push_back(start_thread("ailab-probe", [&over] { over.wait(); }));
    } catch (const std::system_error& error) {
        problem = error.code().message();
    }
    over.count_down();
    for (std::thread& thread : started) thread.join();
    if (!problem.empty())
        throw Error(concat("only ", started.size(), " of ", threads,
                           " threads for tensor operations can be started: ", problem,
                           ". Set a lower runtime.threads, or a higher limit (ulimit -u, "
                           "pids.max)"));
}

}  // namespace

ThreadPlan plan_threads(const RankInfo& rank_info, int wanted, std::optional<double> quota) {
    ThreadPlan plan;
    std::string chosen = "chosen";
    if (wanted > 0) {
        chosen = "runtime.threads";
    } else if (const int threads = openmp_threads(); threads > 0) {
        wanted = threads;
        chosen = "OMP_NUM_THREADS";
    }
    int cores = allowed_cores();
    std::string note;
    // A bound rank owns its cores alone; an unbound one shares them with the host's other ranks.
    bool shared = true;
    const bool by_mpirun = rank_info.launcher == "mpirun";
    const cpu_set_t wide = by_mpirun ? launcher_cores().value_or(all_cores()) : all_cores();
    const int all = CPU_COUNT(&wide);
    if (by_mpirun && cores < all) {
        // The default binding is kept where it is this rank's fair share, and enough: threads that
        // stay find their data in the core's cache.
        const bool fair = cores == std::max(1, all / rank_info.local_size) && wanted <= cores;
        if (binding_was_asked_for() || fair) {
            shared = false;
            note = concat(", bound by mpirun to ", cores);
        } else if (sched_setaffinity(0, sizeof wide, &wide) == 0) {
            note = concat(", mpirun's default binding to ", cores, " widened");
            cores = allowed_cores();
        }
    }
    int mine = std::max(1, shared ? cores / rank_info.local_size : cores);
    if (quota && int(*quota / rank_info.local_size) < mine) {
        mine = std::max(1, int(*quota / rank_info.local_size));
        note += concat(", a CPU quota of ", *quota);
    }
    plan.compute = wanted > 0 ? wanted : mine;
    plan.loader = std::max(1, mine);
    plan.why = concat("threads a rank: ", plan.compute, " compute (", chosen, "), ", plan.loader,
                      " loader; ", cores, cores == 1 ? " core" : " cores", note, ", ",
                      rank_info.local_size, rank_info.local_size == 1 ? " rank" : " ranks",
                      " on this host");
    if (plan.compute > 1) check_startable(plan.compute);
    at::set_num_threads(plan.compute);
    return plan;
}

void keep_threads_to_quota() {
    (void)openmp_threads();  // refuses
    const std::optional<double> quota = cpu_quota();
    const int present = at::get_num_threads();
    const int threads = quota && *quota < present ? std::max(1, int(*quota)) : present;
    if (threads > 1) check_startable(threads);
    if (threads != present) at::set_num_threads(threads);
}

double seconds_since_process_start() {
    std::ifstream file("/proc/self/stat");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    // The name of the command is in brackets and may hold anything; field 22 is the start time.
    const size_t name_end = text.rfind(") ");
    if (name_end == std::string::npos) return seconds(Clock::now() - loaded);  // no /proc here
    std::istringstream rest(text.substr(name_end + 2));
    std::string field;
    for (int i = 3; i <= 22; ++i) rest >> field;
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9 -
           parse_number(field).value_or(0) / double(sysconf(_SC_CLK_TCK));
}

}  // namespace ailab
