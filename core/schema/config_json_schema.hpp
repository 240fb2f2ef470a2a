#pragma once
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// JSON Schema of a whole configuration with every registered module, for editors. It accepts
/// whatever a run may; rules over several keys are the run's alone. No module is loaded for it.
AILAB_API std::string config_json_schema();

}  // namespace ailab
