#include "moments.hpp"

#include <algorithm>
#include <numeric>

namespace ailab {

std::pair<Tensor, Tensor> centred(const Tensor& values) {
    const Tensor rest = (values - values.narrow(0, 0, 1)).t().contiguous();
    const Tensor mean = stable_sum(rest) / double(values.size(0));
    return {mean, rest - mean.unsqueeze(1)};
}

std::vector<int64_t> fixed_order(const Tensor& rows) {
    const Tensor bits = rows.view(at::kLong);
    const int64_t width = rows.numel() / std::max<int64_t>(1, rows.size(0));
    std::vector<int64_t> order(size_t(rows.size(0)));
    std::iota(order.begin(), order.end(), 0);
    const auto* first = bits.const_data_ptr<int64_t>();
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return std::lexicographical_compare(first + a * width, first + (a + 1) * width,
                                            first + b * width, first + (b + 1) * width);
    });
    return order;
}

}  // namespace ailab
