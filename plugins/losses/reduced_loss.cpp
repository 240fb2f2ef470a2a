#include "reduced_loss.hpp"

namespace ailab {

std::string got(const Batch& inputs) {
    return concat(" Got ", inputs.describe(), ".");
}

void check_one_shape(const char* loss, const Batch& inputs, const std::vector<std::string>& names) {
    for (const std::string& name : names)
        if (inputs.tensor(name).sizes() != inputs.tensor(names[0]).sizes())
            throw Error(
                concat(loss, ": ", join(names, " and "), " must have one shape.", got(inputs)));
}

Tensor with_shapes(const char* loss, const Batch& inputs, const std::function<Tensor()>& compute) {
    try {
        return compute();
    } catch (const c10::Error& error) {
        throw Error(concat(loss, ": ", error.what_without_backtrace(), ".", got(inputs)));
    }
}

Tensor fitting(const char* loss, const Tensor& output, const Tensor& target,
               const char* output_name, const char* target_name) {
    const auto without_ones = [](at::IntArrayRef sizes) {
        std::vector<int64_t> result;
        for (int64_t size : sizes)
            if (size != 1) result.push_back(size);
        return result;
    };
    if (without_ones(output.sizes()) != without_ones(target.sizes()))
        throw Error(concat(loss, ": ", output_name, " and ", target_name,
                           " must have one shape; got ", output_name, " ", c10::str(output.sizes()),
                           " and ", target_name, " ", c10::str(target.sizes())));
    return target.to(output.scalar_type()).reshape_as(output);
}

void check_signs(const char* loss, const Tensor& target) {
    if (!target.is_cpu()) return;
    const Tensor bad = target.masked_select(target.abs().ne(1));
    if (bad.numel() != 0)
        throw Error(concat(loss, ": targets must be 1 or -1, got ", bad[0].item<double>(), "."));
}

void check_range(const char* loss, const Tensor& target, double min, double max, const char* what) {
    constexpr double rounding = 1e-3;
    if (!target.is_cpu() || target.numel() == 0) return;
    const auto [least, most] = at::aminmax(target);
    const double low = least.item<double>(), high = most.item<double>();
    if (low >= min - rounding && high <= max + rounding) return;  // false for NaN
    throw Error(concat(loss, ": targets must be ", what, "; got ",
                       low >= min - rounding ? high : low, "."));
}

void check_yes_no(const char* loss, const Tensor& target) {
    check_range(loss, target, 0, 1, "from 0 (no) to 1 (yes)");
}

std::vector<LossTerm> ReducedLoss::terms(const Batch& inputs) {
    LossTerm term{.name = "loss"};
    term.sum = reduced(inputs);
    term.is_mean = is_mean_;
    // The sum over the batch is its mean times its size.
    if (!is_mean_) term.scale = double(inputs.global_size > 0 ? inputs.global_size : inputs.size);
    return {std::move(term)};
}

}  // namespace ailab
