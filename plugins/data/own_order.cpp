#include "own_order.hpp"

namespace ailab {

std::optional<std::vector<int64_t>> own_order(const Dataset& dataset, uint64_t seed,
                                              int64_t epoch) {
    std::vector<int64_t> order = dataset.shuffled(seed, epoch);
    if (order == permutation(dataset.size(), seed, uint64_t(epoch))) return std::nullopt;
    return order;
}

}  // namespace ailab
