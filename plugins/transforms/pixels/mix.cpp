#include "mix.hpp"

#include <ATen/ATen.h>

#include "vectorised.hpp"

namespace ailab::image {

void mix_with_previous(Tensor& batch, const Tensor& before, double share) {
    const int64_t samples = batch.size(0), values = batch.numel() / std::max<int64_t>(samples, 1);
    // In the order in which the batch's samples lie.
    Tensor first = at::empty_like(batch.narrow(0, 0, 1));
    first.copy_(before);
    auto* const data = batch.mutable_data_ptr<float>();
    const auto own = float(share), other = float(1 - share);
    for (int64_t n = samples - 1; n >= 0; --n) {
        float* const to = data + n * values;
        const float* const previous = n > 0 ? to - values : first.const_data_ptr<float>();
        vectorised([=] {
            for (int64_t i = 0; i < values; ++i) to[i] = previous[i] * other + to[i] * own;
        });
    }
}

void paste_from_previous(Tensor& batch, const Tensor& before, const Region& part) {
    if (part.height == 0 || part.width == 0) return;
    const auto cut = [&](const Tensor& sample) {
        return sample.narrow(-2, part.top, part.height).narrow(-1, part.left, part.width);
    };
    for (int64_t n = batch.size(0) - 1; n >= 0; --n)
        cut(batch[n]).copy_(cut(n > 0 ? batch[n - 1] : before[0]));
}

}  // namespace ailab::image
