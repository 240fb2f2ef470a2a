#include "gradient_watch.hpp"

#include <algorithm>

namespace ailab {

void GradientWatch::add(const std::vector<NamedParameter>& parameters) {
    for (const NamedParameter& parameter : parameters) {
        const auto same = [&](const NamedParameter* other) {
            return other->tensor.is_same(parameter.tensor);
        };
        // Of two optimizers that share one, either may give it its gradient.
        if (std::none_of(waiting_.begin(), waiting_.end(), same)) waiting_.push_back(&parameter);
    }
}

void GradientWatch::note() {
    std::erase_if(waiting_, [](const NamedParameter* one) { return one->tensor.grad().defined(); });
}

std::vector<std::string> GradientWatch::finish() {
    std::vector<std::string> names;
    for (const NamedParameter* one : waiting_)
        if (one->tensor.requires_grad()) names.push_back(one->name);
    waiting_.clear();
    return names;
}

}  // namespace ailab
