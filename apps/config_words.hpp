#pragma once
#include <string>

#include "command_line.hpp"
#include "schema/run_config.hpp"

namespace ailab::app {

/// CONFIG [CHECKPOINT] [key=value ...], or the options that stand for these.
struct ConfigWords {
    ConfigInput input;
    std::string checkpoint;
};

/// Reads all words of the line as these. Throws ConfigError, with the first form of the command's
/// usage.
ConfigWords read_config(const CommandLine& line);
ConfigWords read_config_and_checkpoint(const CommandLine& line);

/// What is said of the configuration beside its name and its overrides.
ConfigInput general_input(const CommandLine& line);

}  // namespace ailab::app
