// ailab-run: reads the command line and hands over to libailab_core.
#include <cstdio>
#include <string>

#include "ailab/error.hpp"
#include "command_line.hpp"
#include "config/error_words.hpp"
#include "distributed/launcher.hpp"
#include "distributed/launcher_watch.hpp"
#include "host/exit_guard.hpp"
#include "host/launcher_rank.hpp"
#include "log/result_stream.hpp"

namespace {

using namespace ailab;

/// A mistake on the command line is every rank's: one of them says so.
bool is_first_rank() {
    const std::string rank = launcher_rank();
    return rank.empty() || rank == "0";
}

/// Whether this process is one that leaves the command to rank 0.
bool leaves_to_rank_0(const app::Task& task) {
    if (task.command.is_run) return false;
    RankInfo rank_info;
    try {
        rank_info = detect_rank_info(task.launcher);
    } catch (const ConfigError&) {
        return false;  // half a launcher's environment: nobody else is there
    }
    if (rank_info.world_size == 1) return false;
    // Variables may be left over in a shell: who sees nothing else must learn why.
    const bool started_by_hand = rank_info.launcher == "env";
    if (rank_info.rank == 0)
        std::fprintf(stderr, "ailab-run: rank 0 of %d does this; the others have no part in it\n",
                     rank_info.world_size);
    else if (started_by_hand)
        std::fprintf(stderr,
                     "ailab-run: this is rank %d of %d (RANK, WORLD_SIZE): rank 0 does this. Unset "
                     "them, or give --launcher single, if there is no other\n",
                     rank_info.rank, rank_info.world_size);
    return rank_info.rank != 0;
}

}  // namespace

int main(int argc, char** argv) {
    occupy_closed_streams();
    const ExitGuard guard;
    try {
        watch_launcher();
        const app::Task task = app::read_command_line({argv + 1, argv + argc});
        if (!task.command.is_run) keep_stdout_for_results();
        return leaves_to_rank_0(task) ? app::done : task.work();
    } catch (const ConfigError& e) {
        if (is_first_rank()) std::fprintf(stderr, "ailab-run: %s\n", e.what());
        return app::wrong_input;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "ailab-run: %s\n", error_words(e).c_str());
        return app::run_failed;
    }
}
