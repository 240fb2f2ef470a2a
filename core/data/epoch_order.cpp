#include "epoch_order.hpp"

namespace ailab {

namespace {

/// How often each number came before, or nothing if none comes twice.
std::vector<int64_t> count_repeats(const std::vector<int64_t>& ids, const LoaderOptions& options) {
    const int64_t size = options.dataset->size();
    std::vector<int64_t> seen(size_t(size), 0), repeats(ids.size());
    bool any = false;
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || ids[i] >= size)
            throw Error(concat("the sampler of ", options.name, " dealt the number ", ids[i],
                               "; the dataset has 0 to ", size - 1));
        repeats[i] = seen[size_t(ids[i])]++;
        any = any || repeats[i] > 0;
    }
    return any ? repeats : std::vector<int64_t>();
}

}  // namespace

EpochOrder make_order(const LoaderOptions& options, int64_t epoch) {
    EpochOrder order;
    order.ids = options.sampler->order(*options.dataset, options.context.seed, epoch);
    if (int64_t(order.ids.size()) < options.plan.samples)
        throw Error(concat("the sampler of ", options.name, " dealt ", order.ids.size(),
                           " numbers, and said that it deals ", options.plan.samples));
    order.repeats = count_repeats(order.ids, options);
    return order;
}

std::shared_ptr<const EpochOrder> EpochOrders::get(const LoaderOptions& options, int64_t epoch) {
    std::lock_guard lock(mutex_);
    auto found = orders_.find(epoch);
    if (found == orders_.end()) {
        auto order = std::make_shared<const EpochOrder>(make_order(options, epoch));
        found = orders_.emplace(epoch, std::move(order)).first;
        // The oldest goes; not the one just made, should a slow worker come back to it.
        while (orders_.size() > 2)
            orders_.erase(orders_.begin() == found ? std::next(found) : orders_.begin());
    }
    return found->second;
}

}  // namespace ailab
