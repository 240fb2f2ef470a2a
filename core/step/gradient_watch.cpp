#include "gradient_watch.hpp"

#include <algorithm>

namespace ailab {

void GradientWatch::add(const GradientStore& gradients) {
    for (size_t i = 0; i < gradients.parameters().size(); ++i) {
        const auto same = [&](const Entry& other) {
            return parameter(other).tensor.is_same(gradients.parameters()[i].tensor);
        };
        // Of two optimizers that share one, either may give it its gradient.
        if (std::none_of(waiting_.begin(), waiting_.end(), same))
            waiting_.emplace_back(&gradients, i);
    }
}

void GradientWatch::note() {
    std::erase_if(waiting_, [](const Entry& one) { return one.first->has(one.second); });
}

std::vector<std::string> GradientWatch::finish() {
    std::vector<std::string> names;
    for (const Entry& one : waiting_)
        if (parameter(one).tensor.requires_grad()) names.push_back(parameter(one).name);
    waiting_.clear();
    return names;
}

}  // namespace ailab
