#include "weighted_sum.hpp"

#include "luma.hpp"
#include "vectorised.hpp"

namespace ailab::image {

Tensor weighted_sum(const std::vector<Tensor>& images, const std::vector<double>& weights) {
    Tensor result = new_image_like(images[0]);
    const int64_t count = result.numel();
    std::vector<float> sums(static_cast<size_t>(count));
    float* sum = sums.data();
    for (size_t k = 0; k < images.size(); ++k) {
        const Tensor rows = rows_of(images[k]);
        const auto* from = rows.const_data_ptr<uint8_t>();
        const auto weight = float(weights[k]);
        vectorised([=] {
            for (int64_t i = 0; i < count; ++i) sum[i] += weight * float(from[i]);
        });
    }
    auto* to = result.mutable_data_ptr<uint8_t>();
    vectorised([=] {
        for (int64_t i = 0; i < count; ++i) to[i] = clipped<uint8_t>(sum[i], 255);
    });
    return result;
}

}  // namespace ailab::image
