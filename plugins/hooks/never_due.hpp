#pragma once
// Settings that have no effect in the run at hand, since what they wait for lies beyond its end.
#include <optional>
#include <string>

#include "ailab/ailab.hpp"

namespace ailab {

/// How many training epochs the run has at most, rounds of a workflow by iterations counting as
/// such. Nothing where only the loader knows (a sampler, in a run that ends by iterations). For
/// before_run().
std::optional<int64_t> most_epochs(const Run& run);

/// How often the run ends a phase at most, likewise.
std::optional<int64_t> most_evaluations(const Run& run, Phase phase);

/// "at most 3 evaluations of val".
std::string evaluations_in_words(int64_t count, Phase phase);

/// For before_run(): a warning that the setting at `place` has no effect. Once a job; none in a dry
/// run, which is short on purpose.
void warn_of_no_effect(Run& run, const Place& place, const std::string& why);

}  // namespace ailab
