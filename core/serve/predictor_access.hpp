#pragma once
#include <string>

#include "ailab/predictor.hpp"
#include "schema/run_config.hpp"
#include "served_spec.hpp"

namespace ailab {

/// A predictor of a configuration with the command line's overrides.
class PredictorAccess {
  public:
    static Predictor make(const ConfigInput& input, const std::string& checkpoint,
                          const PredictorOptions& options);
    static const ServedSpec& spec(const Predictor& predictor);
};

}  // namespace ailab
