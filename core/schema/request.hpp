#pragma once
// What the command line asks for, put into the tree of a configuration before that is checked.
#include "run_config.hpp"

namespace ailab {

/// What stands for text of the file: --work-dir, the overrides, --plugins.
void apply_command_line(Node& tree, const ConfigInput& input, Problems& problems);

/// `--progress=MODE`: the mode of the hook that shows the progress. One is added if there is none.
/// Plugins are loaded by now.
void set_progress_mode(Node& tree, const std::string& mode, Problems& problems);

/// Whether apply_request() changes anything.
bool changes_the_run(const ConfigInput& input);

/// Turns the tree of a configuration, which was checked as `given`, into that of the run which is
/// asked for: a dry run has a folder of its own; a test is one pass over data.test or data.val,
/// trains nothing, and has hooks for the log, metrics, predictions and a report; a run that is
/// watched has a progress bar.
void apply_request(Node& tree, const RunConfig& given, const ConfigInput& input,
                   Problems& problems);

}  // namespace ailab
