#include "metric_sums.hpp"

namespace ailab {

std::vector<MetricStates> sum_states(const std::vector<Metric*>& metrics, Comm& comm) {
    std::vector<MetricStates> sums(metrics.size());
    for (const at::ScalarType type : {at::kDouble, at::kLong}) {
        std::vector<Tensor> parts;
        for (Metric* metric : metrics)
            for (const auto& [name, state] : metric->states())
                if (state.scalar_type() == type) parts.push_back(state.cpu().reshape({-1}));
        if (parts.empty()) continue;
        Tensor packed = at::cat(parts);
        comm.all_reduce_sum(packed);
        int64_t begin = 0;
        for (size_t m = 0; m < metrics.size(); ++m)
            for (const auto& [name, state] : metrics[m]->states()) {
                if (state.scalar_type() != type) continue;
                sums[m][name] = packed.narrow(0, begin, state.numel()).reshape(state.sizes());
                begin += state.numel();
            }
    }
    return sums;
}

}  // namespace ailab
