#pragma once
// What a model says of a sample, in fields: the lines of `ailab-run infer` and of `test`'s
// predictions are written from these, as JSON or as a table.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ailab/export.hpp"
#include "ailab/node.hpp"

namespace ailab {

struct ClassScore {
    int64_t index = 0;
    std::string name;  // "" if unknown
    double probability = 0;
};

/// A text, a number, numbers of any shape (on any device), or what is made of these.
using PredictionValue = std::variant<std::string, int64_t, double, at::Tensor, Node>;
/// By name, in the order in which they are written.
using PredictionFields = std::vector<std::pair<std::string, PredictionValue>>;

/// What whoever writes predictions wants to have.
struct PredictionForm {
    /// Classes that are listed of a sample, at most.
    int64_t most_classes = 5;
    /// All values of outputs that have more than Task::most_values, and the scores of all classes.
    bool all_values = false;
};

/// What is said of the samples of a batch.
struct Predictions {
    /// One entry a sample, in the batch's order.
    std::vector<PredictionFields> samples;
    /// For a classifier: the most likely classes of each sample, best first; else empty.
    std::vector<std::vector<ClassScore>> top;
    /// What the fields have in place of all values of the output: "the predicted classes"; or "".
    std::string shortened;
    /// Why there are none, or "".
    std::string none;
};

/// How a line's numbers are written.
struct LineStyle {
    /// Significant digits of floats; 0: as many as tell a double from its neighbours.
    int digits = 0;
    /// The numbers of a tensor as one list, in order, whatever its shape.
    bool flat = false;
};

/// One line of JSON, field by field. NaN and infinities become null, what is no UTF-8 is replaced.
class AILAB_API PredictionLine {
  public:
    explicit PredictionLine(const LineStyle& style = {}) : style_(style) {}

    PredictionLine& add(const std::string& name, const PredictionValue& value);
    PredictionLine& add(const PredictionFields& fields);
    /// The whole object.
    std::string str() const { return line_ + "}"; }

  private:
    LineStyle style_;
    std::string line_ = "{";
};

/// The numbers of a tensor in order, floats with so many significant digits, each NaN and infinity
/// as "null". Complex numbers are two each.
AILAB_API std::vector<std::string> number_texts(const at::Tensor& tensor, int digits);

}  // namespace ailab
