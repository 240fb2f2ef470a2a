#include "class_loss.hpp"

namespace ailab {

namespace {

std::string shapes(const Tensor& output, const Tensor& target) {
    return concat(" Got output ", c10::str(output.sizes()), " and target ",
                  c10::str(target.sizes()), ".");
}

}  // namespace

void ClassTargets::check_shapes(const Tensor& output, const Tensor& target) const {
    if (output.dim() < 2)
        throw Error(concat(loss_, ": output must be [N, classes, …], one score a class.",
                           shapes(output, target)));
    if (!at::isIntegralType(target.scalar_type(), /*includeBool=*/false))
        throw Error(concat(loss_, ": target must hold class numbers (int64), got ",
                           c10::toString(target.scalar_type()), ".", shapes(output, target)));
    std::vector<int64_t> expected = output.sizes().vec();
    expected.erase(expected.begin() + 1);
    if (target.sizes() != at::IntArrayRef(expected))
        throw Error(concat(loss_, ": target must have the shape ",
                           c10::str(at::IntArrayRef(expected)),
                           ", that of output without its classes.", shapes(output, target)));
}

Tensor ClassTargets::guarded(const Tensor& output, const Tensor& target,
                             const std::function<Tensor()>& compute) const {
    try {
        return compute();
    } catch (const c10::Error&) {
        check_classes(output, target);
        throw;
    }
}

Tensor ClassTargets::classes(const Tensor& target) const {
    const Tensor numbers = target.to(at::kLong);
    return ignores() ? numbers.masked_fill(numbers.eq(ignored()), 0) : numbers;
}

void ClassTargets::check_classes(const Tensor& output, const Tensor& target) const {
    const Tensor numbers = target.to(at::kLong);
    const Tensor wrong =
        numbers.lt(0).logical_or(numbers.ge(output.size(1))).logical_and(counts(target));
    const Tensor bad = numbers.masked_select(wrong);
    if (bad.numel() == 0) return;
    throw Error(concat(loss_, ": a target is ", bad[0].item<int64_t>(),
                       ", outside of the classes 0 … ", output.size(1) - 1,
                       " of the model's output. Check the labels of the data set and the model's "
                       "number of classes, or set ignore_index."));
}

Tensor ClassLoss::forward(const Tensor& output, const Tensor& target) {
    return compared(output, target, is_mean_ ? at::Reduction::Mean : at::Reduction::Sum);
}

std::vector<LossTerm> ClassLoss::terms(const Batch& inputs) {
    const Tensor& output = inputs.tensor("output");
    const Tensor& target = inputs.tensor("target");
    LossTerm term{.name = "loss"};
    if (has_own_weights() && !is_dense(output, target)) {
        term.sum = compared(output, target, at::Reduction::Sum);
        term.weight = counted(output, target);
        return {std::move(term)};
    }
    term.sum = forward(output, target);
    term.is_mean = is_mean_;
    // The sum over the batch is its mean times its size.
    if (!is_mean_)
        term.scale = double(inputs.global_size > 0 ? inputs.global_size : output.size(0));
    return {std::move(term)};
}

Tensor ClassLoss::compared(const Tensor& output, const Tensor& target, int64_t reduction) {
    if (is_dense(output, target)) return compare(output, target, weights_.like(output), reduction);
    targets_.check_shapes(output, target);
    const Tensor& weight = weights_.like(output);
    return targets_.guarded(
        output, target, [&] { return compare(output, target.to(at::kLong), weight, reduction); });
}

Tensor ClassLoss::counted(const Tensor& output, const Tensor& target) {
    const at::NoGradGuard no_grad;
    const Tensor counts = targets_.counts(target);
    if (!weighs_targets_) return counts.sum();
    // Not in the output's dtype: half precision cannot count the pixels of an image.
    const auto dtype = output.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor& weight = weights_.like(output);
    return weight.index({targets_.classes(target)}).to(dtype).mul(counts).sum();
}

}  // namespace ailab
