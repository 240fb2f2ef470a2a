// ailab-run: reads the command line and hands over to libailab_core.
#include <cstdio>
#include <string>
#include <vector>

#include "ailab/error.hpp"
#include "command_line.hpp"
#include "config/error_words.hpp"
#include "dist/launcher.hpp"
#include "dist/launcher_watch.hpp"
#include "help.hpp"
#include "host/exit_guard.hpp"
#include "host/launcher_rank.hpp"
#include "list_modules.hpp"
#include "log/result_stream.hpp"
#include "plugin/plugin_host.hpp"
#include "run/train.hpp"
#include "schema/common_keys.hpp"
#include "schema/config_json_schema.hpp"
#include "schema/run_config.hpp"

namespace {

using namespace ailab;

constexpr int run_failed = 1;
constexpr int wrong_input = 2;

/// A mistake on the command line is every rank's: one of them says so.
bool is_first_rank() {
    const std::string rank = launcher_rank();
    return rank.empty() || rank == "0";
}

/// What all ranks do together, printing on standard error; every other command is one process's and
/// has results for others to read.
bool is_a_run(app::Action action) {
    return action == app::Action::train || action == app::Action::test;
}

/// Whether this process is one that leaves the command to rank 0.
bool leaves_to_rank_0(const app::CommandLine& line) {
    if (is_a_run(line.action)) return false;
    Placement placement;
    try {
        placement = detect_placement(line.launcher);
    } catch (const ConfigError&) {
        return false;  // half a launcher's environment: nobody else is there
    }
    if (placement.world_size == 1) return false;
    // Variables may be left over in a shell: who sees nothing else must learn why.
    const bool started_by_hand = placement.launcher == "env";
    if (placement.rank == 0)
        std::fprintf(stderr, "ailab-run: rank 0 of %d does this; the others have no part in it\n",
                     placement.world_size);
    else if (started_by_hand)
        std::fprintf(stderr,
                     "ailab-run: this is rank %d of %d (RANK, WORLD_SIZE): rank 0 does this. Unset "
                     "them, or give --launcher single, if there is no other\n",
                     placement.rank, placement.world_size);
    return placement.rank != 0;
}

int print(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), result_stream()) == text.size() &&
                         std::fflush(result_stream()) == 0;
    if (!written) std::perror("ailab-run: cannot write to standard output");
    return written ? 0 : run_failed;
}

void load_plugins(const app::CommandLine& line) {
    for (const std::string& plugin : line.plugins) PluginHost::instance().load(plugin);
}

/// What works on a configuration.
int run_config(const app::CommandLine& line) {
    ConfigInput input;
    input.path = line.config;
    input.overrides = line.overrides;
    input.plugins = line.plugins;
    input.work_dir = line.work_dir;
    input.progress = line.progress;
    input.dry_run = line.dry_run;
    switch (line.action) {
        case app::Action::test:
            return test(input, line.test, line.launcher);
        case app::Action::infer: {
            InferRequest request = line.infer;
            request.config = input;
            return infer(request) == 0 ? 0 : run_failed;
        }
        case app::Action::export_model:
            export_model(input, line.exported);
            return 0;
        case app::Action::browse:
            browse(input, line.browse);
            return 0;
        default:
            return train(input, line.launcher);
    }
}

int run(const app::CommandLine& line) {
    switch (line.action) {
        case app::Action::help:
            return print(app::help_text());
        case app::Action::version:
            return print(app::version_text());
        case app::Action::describe:
            return print(
                PluginHost::instance().describe(line.plugin_to_describe, describe_common_options) +
                "\n");
        case app::Action::json_schema:
            load_plugins(line);
            return print(config_json_schema());
        case app::Action::list_modules:
            load_plugins(line);
            return print(app::list_modules(line.kind, line.json));
        case app::Action::runs:
            return print(list_runs(line.tool));
        case app::Action::compare:
            return print(compare_runs(line.tool));
        case app::Action::inspect: {
            const ToolOutput found = inspect_checkpoint(line.tool);
            const int status = print(found.text);
            return found.failed ? run_failed : status;
        }
        case app::Action::average:
            return print(average_checkpoints(line.tool));
        case app::Action::sign:
            return print(sign_artifact(line.sign));
        default:
            return run_config(line);
    }
}

}  // namespace

int main(int argc, char** argv) {
    occupy_closed_streams();
    const ExitGuard guard;
    try {
        watch_launcher();
        const app::CommandLine line = app::parse_command_line({argv + 1, argv + argc});
        if (!is_a_run(line.action)) keep_stdout_for_results();
        return leaves_to_rank_0(line) ? 0 : run(line);
    } catch (const ConfigError& e) {
        if (is_first_rank()) std::fprintf(stderr, "ailab-run: %s\n", e.what());
        return wrong_input;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "ailab-run: %s\n", error_words(e).c_str());
        return run_failed;
    }
}
