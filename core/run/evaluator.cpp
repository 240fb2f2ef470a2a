#include "evaluator.hpp"

#include <algorithm>
#include <limits>

#include "ailab/log.hpp"
#include "step/loss_terms.hpp"

namespace ailab {

void Evaluator::begin(Phase phase) {
    phase_ = phase;
    sums_ = Meters(comm_);
}

void Evaluator::add(Batch& batch, int64_t samples) {
    forward_.run_model(batch, phase_);
    if (!forward_.has_loss(phase_)) return;
    for (const LossTerm& term : forward_.loss_terms(batch, samples)) {
        const TermValue value = value_of(term, batch.size);
        if (value.weight != 0)
            sums_.add(term.name, term.scale * value.sum / value.weight, value.weight);
    }
}

std::vector<std::pair<std::string, double>> Evaluator::finish() {
    const auto counted = sums_.reduce();
    if (!forward_.has_loss(phase_)) return {};
    std::vector<std::pair<std::string, double>> results = {{"loss", 0}};
    for (size_t i = 0; i < forward_.term_count(); ++i) {
        const std::string& name = forward_.term_name(i);
        const auto found = std::find_if(counted.begin(), counted.end(),
                                        [&](const auto& term) { return term.first == name; });
        const bool counts = found != counted.end();
        const double value = counts ? found->second : std::numeric_limits<double>::quiet_NaN();
        results[0].second += value;
        if (forward_.term_count() > 1) results.emplace_back(name, value);
        if (counts || !told_.emplace(phase_, name).second || comm_.rank() != 0) continue;
        log_warning(phase_name(phase_), ": none of the targets counts in ", forward_.loss_label(),
                    forward_.term_count() > 1 ? concat(", term \"", name, "\"") : "",
                    ": all are ignored, or weigh nothing. Its value is nan; check the labels, and "
                    "the loss's ignore_index and weight");
    }
    return results;
}

}  // namespace ailab
