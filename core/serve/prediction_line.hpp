#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "ailab/predictor.hpp"

namespace ailab {

/// What a line says of outputs that are no scores of one class.
struct LineForm {
    bool all_values = false;  // of outputs that have many
    /// Of a sample's output, that of the classes' scores, if it has one.
    std::optional<int64_t> class_dim;
};

/// Whether the line of an output of many values has the predicted classes alone ("prediction" and
/// "probability", a number a position), or, where it has no classes, its "shape".
bool is_shortened(const Prediction& prediction, const LineForm& form);

/// One line of JSON: {"file": …, "top": [{"class": …, "index": …, "probability": …}], "time": …},
/// for what is no classifier {"file": …, "output": […]}, or {"file": …, "error": …}. `time` is in
/// seconds.
std::string prediction_line(const Prediction& prediction, const LineForm& form = {});

}  // namespace ailab
