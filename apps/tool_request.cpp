#include "tool_request.hpp"

#include "ailab/error.hpp"

namespace ailab::app {

ToolRequest read_tool(const CommandLine& line, const std::string& what) {
    const Options& options = line.options;
    if (line.words.empty())
        throw ConfigError(concat(line.command.name, " needs ", what, ".", see_help));
    ToolRequest request;
    request.paths = line.words;
    request.output = options.text("output");
    request.force = options.flag("force");
    request.json = options.flag("json");
    if (!line.work_dir.empty()) request.work_dir = line.work_dir;
    request.public_key = options.text("public-key");
    return request;
}

}  // namespace ailab::app
