#pragma once

namespace ailab {

/// What the numbers of a model's output stand for.
enum class OutputKind {
    class_scores,         // one class of several: their softmax is the probabilities
    label_scores,         // each yes or no by itself: its sigmoid is the probability of yes
    label_probabilities,  // the same, after the sigmoid
    values,               // what is predicted, as it is
};

}  // namespace ailab
