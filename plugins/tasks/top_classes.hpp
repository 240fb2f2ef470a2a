#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab::tasks {

/// The most likely of classes or labels by their probabilities [K], best first.
std::vector<ClassScore> most_likely(const Tensor& probabilities, int64_t most,
                                    const std::vector<std::string>& names);

/// What is said of samples [N, …] by their most likely classes, as `task` has them: `top`, a list
/// of {class, index, probability}. Nothing where the task has none of one of them.
std::optional<Predictions> by_top_classes(const Task& task, const Tensor& output,
                                          const PredictionForm& form);

}  // namespace ailab::tasks
