#pragma once
#include "train.hpp"

namespace ailab {

/// Turns a configuration of a training into one of a test: the workflow is one pass over data.test
/// or data.val, nothing is trained, and predictions and a report are written. Throws ConfigError.
void plan_test(RunConfig& config, const TestRequest& request);

}  // namespace ailab
