#include "tool_request.hpp"

namespace ailab::app {
namespace {

Work read_inspect(const CommandLine& line) {
    const ToolRequest request = read_tool(line, "a checkpoint");
    return [request] {
        const ToolOutput found = inspect_checkpoint(request);
        const int status = print(found.text);
        return found.failed ? run_failed : status;
    };
}

const Registration inspect_command{
    {.name = "inspect",
     .place = 80,
     .usage = {{"CHECKPOINT...", "[--json] [--work-dir FOLDER] [--public-key FILE]"}},
     .doc = "what is in checkpoints, files of weights and artifacts, and whether they are whole "
            "(and signed)",
     .options = {option::json, option::public_key},
     .read = read_inspect}};

}  // namespace
}  // namespace ailab::app
