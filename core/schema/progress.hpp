#pragma once
#include "run_config.hpp"

namespace ailab {

/// `--progress=MODE`: the mode of the configuration's ProgressHook. One is added if there is none.
void set_progress_mode(Node& tree, const std::string& mode);

/// Adds a ProgressHook to a configuration that names none, if this build has it. It does nothing to
/// the run and is left out of the resolved configuration.
void add_progress_hook(RunConfig& config);

}  // namespace ailab
