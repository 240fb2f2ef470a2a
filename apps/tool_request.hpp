#pragma once
#include "command.hpp"
#include "tools/tools.hpp"

namespace ailab::app {

/// What the words and options say to a command over runs and checkpoints. Throws ConfigError when
/// there is no word, which are `what` it needs: "a work_dir".
ToolRequest read_tool(const CommandLine& line, const std::string& what);

}  // namespace ailab::app
