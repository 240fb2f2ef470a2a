#include "counting.hpp"

namespace ailab {

Tensor stable_sum(const Tensor& values) {
    constexpr int64_t block = 4096;  // below ATen's grain, from which on it uses several threads
    Tensor sums = values.to(at::kDouble);
    while (sums.size(-1) > block) {
        const int64_t rest = sums.size(-1) % block;
        if (rest != 0) sums = at::constant_pad_nd(sums, {0, block - rest});
        sums = sums.unflatten(-1, {-1, block}).sum(-1);
    }
    return sums.sum(-1);
}

Tensor stable_total(const Tensor& values) {
    return stable_sum(values.reshape({-1}));
}

Tensor count_numbers(const Tensor& index, int64_t bins) {
    const Tensor flat = index.reshape({-1});
    const Tensor one = at::ones({1}, flat.options());
    return at::zeros({bins}, flat.options()).scatter_add_(0, flat, one.expand_as(flat));
}

std::string describe(const Tensor& output, const Tensor& target) {
    return concat("output ", c10::str(output.sizes()), " ", c10::toString(output.scalar_type()),
                  " and target ", c10::str(target.sizes()), " ",
                  c10::toString(target.scalar_type()));
}

void check_same_shape(const std::string& who, const Tensor& output, const Tensor& target) {
    if (output.dim() < 1 || output.sizes() != target.sizes())
        throw Error(concat(who, ": expected output and target of one shape, [N, …]; got ",
                           describe(output, target)));
}

void CountingMetric::add(const std::string& name, const Tensor& value) {
    if (states().count(name) == 0) add_state(name, value.sizes(), value.scalar_type());
    Tensor& sum = state(name);
    if (sum.sizes() != value.sizes())
        throw Error(concat("the state \"", name, "\" has the shape ", c10::str(sum.sizes()),
                           ", this batch gives ", c10::str(value.sizes()),
                           ": the number of classes or outputs may not change"));
    if (sum.is_cpu()) sum = sum.to(value.device());
    sum.add_(value);
}

void CountingMetric::count(const std::string& name, int64_t value) {
    Tensor& sum = state(name);
    if (sum.is_cpu())
        *sum.mutable_data_ptr<int64_t>() += value;
    else
        add(name, at::scalar_tensor(value, at::kLong));
}

}  // namespace ailab
