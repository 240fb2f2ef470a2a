#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "ailab/loss.hpp"
#include "gradient_store.hpp"

namespace ailab {

/// The gradients of a loss's terms, kept apart while iterations accumulate: what a term with a
/// weight of its own is divided by is known only when all of them have been seen.
class TermGradients {
  public:
    /// Drops what was kept.
    void begin();
    /// Adds the gradients of each term's sum over the samples, times `scale` if it is defined.
    void add(const std::vector<LossTerm>& terms, int64_t samples,
             const std::vector<NamedParameter>& parameters, const Tensor& scale);
    /// Sets the gradients to the sum over the terms, each times its factor.
    void combine(const std::vector<StepNumber>& factors, GradientStore& gradients) const;

  private:
    std::vector<std::vector<Tensor>> gradients_;  // by term and parameter; some undefined
};

}  // namespace ailab
