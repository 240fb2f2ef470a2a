#pragma once
#include <string>

#include "ailab/predictor.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// A predictor of a configuration with the command line's overrides.
class PredictorAccess {
  public:
    static Predictor make(const ConfigInput& input, const std::string& checkpoint,
                          const PredictorOptions& options);
    /// Fills in what follows from a prediction's output, or its error: the classes, and the line
    /// where PredictorOptions::lines.
    static void describe(const Predictor& predictor, Prediction& prediction);
};

}  // namespace ailab
