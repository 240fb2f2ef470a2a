#pragma once
#include <string>

#include "ailab/predictor.hpp"

namespace ailab {

/// One line of JSON: {"file": …, "top": [{"class": …, "index": …, "probability": …}], "time": …},
/// for what is no classifier {"file": …, "output": […]}, or {"file": …, "error": …}. `time` is in
/// seconds.
std::string prediction_line(const Prediction& prediction);

}  // namespace ailab
