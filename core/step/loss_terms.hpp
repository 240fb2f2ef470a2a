#pragma once
#include <string>
#include <vector>

#include "ailab/loss.hpp"

namespace ailab {

/// Throws Error unless the terms are those that the loss declares, scalars, and weighted as it
/// says.
void check_terms(const std::vector<LossTerm>& terms, const std::vector<std::string>& names,
                 bool own_weights, const std::string& loss_label);

/// A term's sum and weight as numbers, whichever way it is given. Waits for the device.
struct TermValue {
    double sum = 0;
    double weight = 0;
};
TermValue value_of(const LossTerm& term, int64_t samples);

}  // namespace ailab
