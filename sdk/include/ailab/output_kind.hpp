#pragma once
#include <optional>

#include "ailab/export.hpp"

namespace ailab {

/// What the numbers of a model's output stand for.
enum class OutputKind {
    class_scores,         // one class of several: their softmax is the probabilities
    label_scores,         // each yes or no by itself: its sigmoid is the probability of yes
    label_probabilities,  // the same, after the sigmoid
    values,               // what is predicted, as it is
};

/// A loss that can tell what its `output` stands for also derives from this: predictions of a
/// trained model and the mean over several views of a sample (`--tta`) go by it.
class AILAB_API KnowsOutputKind {
  public:
    virtual ~KnowsOutputKind();
    /// Nothing where it is none of these.
    virtual std::optional<OutputKind> output_kind() const = 0;
};

}  // namespace ailab
