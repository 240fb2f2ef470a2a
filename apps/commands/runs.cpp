#include "tool_request.hpp"

namespace ailab::app {
namespace {

Work read_runs(const CommandLine& line) {
    const ToolRequest request = read_tool(line, "a work_dir");
    return [request] { return print(list_runs(request)); };
}

const Registration runs_command{{.name = "runs",
                                 .place = 60,
                                 .usage = {{"WORK_DIR...", "[--json]"}},
                                 .doc = "a table of runs: how they ended, how good they are, and "
                                        "how their configurations differ",
                                 .options = {option::json},
                                 .read = read_runs}};

}  // namespace
}  // namespace ailab::app
