#include "class_loss.hpp"

namespace ailab {

namespace {

std::string shapes(const Tensor& output, const Tensor& target) {
    return concat(" Got output ", c10::str(output.sizes()), " and target ",
                  c10::str(target.sizes()), ".");
}

}  // namespace

Tensor ClassTargets::fit(const Tensor& output, const Tensor& target) const {
    const bool last = axis_ == ClassAxis::last;
    if (output.dim() < 2)
        throw Error(concat(loss_, ": output must be ", last ? "[N, …, classes]" : "[N, classes, …]",
                           ", one score a class.", shapes(output, target)));
    const bool shares = target.is_floating_point() && target.dim() == output.dim() &&
                        target.size(0) == output.size(0);
    if (const int64_t axis = last ? -1 : 1;
        shares && target.size(axis) > 1 && target.size(axis) != output.size(axis))
        throw Error(concat(loss_, ": the output has ", output.size(axis),
                           " classes, and the targets, shares of the classes, have ",
                           target.size(axis),
                           ". Where Mixup or CutMix has made them, set its num_classes to ",
                           output.size(axis), ".", shapes(output, target)));
    if (!at::isIntegralType(target.scalar_type(), /*includeBool=*/false))
        throw Error(concat(loss_, ": target must hold class numbers (int64), got ",
                           c10::toString(target.scalar_type()), ".", shapes(output, target)));
    const auto without = [&](bool last_one) {
        std::vector<int64_t> sizes = output.sizes().vec();
        sizes.erase(last_one ? sizes.end() - 1 : sizes.begin() + 1);
        return sizes;
    };
    const std::vector<int64_t> expected = without(last);
    if (target.sizes() == at::IntArrayRef(expected)) return target;
    const int64_t channel = last ? target.dim() - 1 : 1;
    if (target.dim() == output.dim() && target.size(channel) == 1) {
        const Tensor numbers = target.squeeze(channel);
        if (numbers.sizes() == at::IntArrayRef(expected)) return numbers;
    }
    const char* hint = "";
    if (axis_ != ClassAxis::only_second && target.sizes() == at::IntArrayRef(without(!last)))
        hint = last ? " It is for classes that come second: leave classes_last out."
                    : " It is for classes that come last: set classes_last: true.";
    throw Error(concat(loss_, ": target must have the shape ", c10::str(at::IntArrayRef(expected)),
                       ", that of output without its classes.", hint, shapes(output, target)));
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
                       "number of classes",
                       can_ignore_ ? ", or set ignore_index." : "."));
}

Tensor ClassLoss::forward(const Tensor& output, const Tensor& target) {
    return compared(read(output, target));
}

std::vector<LossTerm> ClassLoss::terms(const Batch& inputs) {
    const Tensor& output = inputs.tensor("output");
    const Inputs both = read(output, inputs.tensor("target"));
    LossTerm term{.name = "loss"};
    if (has_own_weights() && !both.is_dense) {
        term.sum = compared(both, at::Reduction::Sum);
        term.weight = counted(both.output, both.target);
        return {std::move(term)};
    }
    term.sum = compared(both);
    term.is_mean = is_mean_;
    // The sum over the batch is its mean times its size.
    if (!is_mean_)
        term.scale = double(inputs.global_size > 0 ? inputs.global_size : output.size(0));
    return {std::move(term)};
}

std::vector<std::optional<Tensor>> ClassLoss::target_weights(const Batch& inputs) {
    const Tensor& target = inputs.tensor("target");
    // Shares of the classes each count as one.
    if (!has_own_weights() || target.is_floating_point()) return {std::nullopt};
    const Tensor counts = targets_.counts(target);
    if (!weighs_targets_) return {counts.sum()};
    return {weights_.of(targets_.classes(target)).mul(counts).sum()};
}

ClassLoss::Inputs ClassLoss::read(const Tensor& output, const Tensor& target) const {
    Inputs inputs{output, target, is_dense(output, target)};
    if (!inputs.is_dense) inputs.target = targets_.fit(output, target);
    if (classes_last_ && output.dim() > 2) {
        // The scores of a place lie side by side: rows of them need no other order.
        inputs.output = output.flatten(0, -2);
        inputs.target = inputs.is_dense ? target.flatten(0, -2) : inputs.target.flatten();
    }
    return inputs;
}

Tensor ClassLoss::compared(const Inputs& inputs) {
    return compared(inputs, is_mean_ ? at::Reduction::Mean : at::Reduction::Sum);
}

Tensor ClassLoss::compared(const Inputs& inputs, int64_t reduction) {
    const auto& [output, target, is_dense] = inputs;
    const Tensor& weight = weights_.like(output);
    if (is_dense) return compare(output, target, weight, reduction);
    return targets_.guarded(output, target, [&, &output = output, &target = target] {
        return compare(output, target.to(at::kLong), weight, reduction);
    });
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
