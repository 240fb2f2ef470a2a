#include "tool_request.hpp"

namespace ailab::app {
namespace {

Work read_compare(const CommandLine& line) {
    const ToolRequest request = read_tool(line, "two runs");
    return [request] { return print(compare_runs(request)); };
}

const Registration compare_command{{.name = "compare",
                                    .place = 70,
                                    .usage = {{"RUN RUN...", "[-o FILE]"}},
                                    .doc = "a page with the curves of runs in the same charts "
                                           "(compare.html)",
                                    .options = {option::output, option::force},
                                    .read = read_compare}};

}  // namespace
}  // namespace ailab::app
