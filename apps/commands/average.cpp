#include "tool_request.hpp"

namespace ailab::app {
namespace {

Work read_average(const CommandLine& line) {
    const ToolRequest request = read_tool(line, "a checkpoint");
    return [request] { return print(average_checkpoints(request)); };
}

const Registration average_command{
    {.name = "average",
     .place = 90,
     .usage = {{"CHECKPOINT CHECKPOINT...", "-o FILE.safetensors [--work-dir FOLDER]"}},
     .doc = "the mean of the weights of several checkpoints",
     .options = {option::output, option::force},
     .read = read_average}};

}  // namespace
}  // namespace ailab::app
