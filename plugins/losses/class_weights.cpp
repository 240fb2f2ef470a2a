#include "class_weights.hpp"

#include <algorithm>

namespace ailab {

ClassWeights::ClassWeights(const char* loss, const char* option, const List& list)
    : loss_(loss), option_(option) {
    if (list) list_ = torch::tensor(*list, at::kDouble);
}

std::string ClassWeights::problem(const char* name, const List& list) {
    if (!list) return "";
    if (list->empty()) return concat(name, " is empty: give one number a class, or leave it out");
    if (std::ranges::any_of(*list, [](double weight) { return weight != 0; })) return "";
    return concat(name,
                  " is 0 for every class, so nothing would be trained; give a number above 0 to "
                  "those that count");
}

const Tensor& ClassWeights::like(const Tensor& output) {
    if (list_.defined()) check(output);
    return placed(output);
}

Tensor ClassWeights::of(const Tensor& classes) const {
    return list_.to(classes.device()).index({classes.clamp(0, list_.size(0) - 1)});
}

Tensor ClassWeights::beside(const Tensor& output) {
    const Tensor& weights = like(output);
    if (!weights.defined() || output.dim() < 3) return weights;
    std::vector<int64_t> shape(size_t(output.dim() - 1), 1);
    shape[0] = weights.size(0);
    return weights.reshape(shape);
}

void ClassWeights::check(const Tensor& output) const {
    const int64_t classes = output.dim() > 1 ? output.size(1) : 1;
    if (list_.size(0) == classes) return;
    throw Error(concat(loss_, ": ", option_, " has ", list_.size(0),
                       " numbers, but the model's output has ", classes,
                       " classes; give one a class. Got output ", c10::str(output.sizes()), "."));
}

/// Kept from one batch to the next; made from the list itself, so that a half-precision output
/// leaves no trace in a later one.
const Tensor& ClassWeights::placed(const Tensor& output) {
    if (list_.defined() && (!placed_.defined() || placed_.device() != output.device() ||
                            placed_.scalar_type() != output.scalar_type()))
        placed_ = list_.to(output.device(), output.scalar_type());
    return placed_;
}

}  // namespace ailab
