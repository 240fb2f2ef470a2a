#pragma once
#include <string>

#include "ailab/export.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// Runs the workflow of a configuration on this rank. Returns the process's exit status: 0 done, 1
/// the run failed, 2 the configuration is wrong (nothing was started). Prints its own errors, once
/// for the job. `launcher` forces a launcher's variables ("" for none).
AILAB_API int train(const ConfigInput& input, const std::string& launcher);

/// Evaluates trained weights on data.test (data.val, if there is none) and writes predictions and a
/// report. Else like train().
AILAB_API int test(ConfigInput input, const TestRequest& request, const std::string& launcher);

}  // namespace ailab
