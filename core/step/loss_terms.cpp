#include "loss_terms.hpp"

#include <ATen/ATen.h>

#include <sstream>

namespace ailab {

void check_terms(const std::vector<LossTerm>& terms, const std::vector<std::string>& names,
                 bool own_weights, const std::string& loss_label) {
    if (terms.size() != names.size())
        throw Error(concat(loss_label, " gave ", terms.size(), " terms and declares ", names.size(),
                           " (term_names(): ", join(names), ")"));
    for (size_t i = 0; i < terms.size(); ++i) {
        const LossTerm& term = terms[i];
        if (term.name != names[i])
            throw Error(concat(loss_label, ": term ", i, " is \"", term.name,
                               "\" and is declared as \"", names[i], "\" in term_names()"));
        if (!term.sum.defined() || term.sum.dim() != 0) {
            std::ostringstream shape;
            if (term.sum.defined()) shape << term.sum.sizes();
            throw Error(concat(loss_label, ": term \"", term.name, "\" must be a scalar, got ",
                               term.sum.defined() ? "shape " + shape.str() : "an undefined tensor",
                               "; reduce it with mean() or sum()"));
        }
        if (term.weight && !own_weights)
            throw Error(concat(loss_label, ": term \"", term.name,
                               "\" has a weight of its own; override has_own_weights() to say so"));
    }
}

TermValue value_of(const LossTerm& term, int64_t samples) {
    const double sum = term.sum.item<double>();
    if (term.weight) return {sum, term.weight->item<double>()};
    const double n = double(samples);
    return {term.is_mean ? sum * n : sum, n};
}

}  // namespace ailab
