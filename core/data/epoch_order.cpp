#include "epoch_order.hpp"

#include <utility>

namespace ailab {

namespace {

/// How often each number came before, or nothing if none comes twice.
std::vector<int64_t> count_repeats(const std::vector<int64_t>& ids, const LoaderOptions& options) {
    const int64_t size = options.dataset->size();
    std::vector<int64_t> seen(size_t(size), 0), repeats(ids.size());
    bool any = false;
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || ids[i] >= size)
            throw Error(concat("the sampler of ", options.name, " gave the number ", ids[i],
                               "; the dataset has 0 to ", size - 1));
        repeats[i] = seen[size_t(ids[i])]++;
        any = any || repeats[i] > 0;
    }
    return any ? repeats : std::vector<int64_t>();
}

/// Each epoch has the batches that were planned.
void take_batches(EpochBatches batches, const LoaderOptions& options, EpochOrder& order) {
    const auto wrong = [&](const auto&... what) {
        throw Error(concat("the sampler of ", options.name, " forms the batches, and ", what...));
    };
    const auto count = int64_t(batches.ends.size()), samples = int64_t(batches.ids.size());
    if (count != *options.plan.own_batches || samples != options.plan.samples)
        wrong("an epoch has ", count, " of them with ", samples,
              " samples, where the first one has ", *options.plan.own_batches, " with ",
              options.plan.samples, "; all epochs must be alike in that");
    int64_t begin = 0;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t end = batches.ends[size_t(i)];
        if (end <= begin) wrong("batch ", i, " is empty");
        begin = end;
    }
    if (begin != samples) wrong("the last one ends at ", begin, " of ", samples, " samples");
    order.ids = std::move(batches.ids);
    order.ends = std::move(batches.ends);
}

}  // namespace

EpochOrder make_order(const LoaderOptions& options, int64_t epoch) {
    EpochOrder order;
    const Dataset& dataset = *options.dataset;
    const uint64_t seed = options.context.seed;
    if (options.plan.own_batches)
        take_batches(dynamic_cast<const BatchSampler&>(*options.sampler)
                         .batches(dataset, seed, epoch,
                                  {options.plan.batch_size, options.plan.drops_last()}),
                     options, order);
    else
        order.ids = options.sampler->order(dataset, seed, epoch);
    if (int64_t(order.ids.size()) < options.plan.samples)
        throw Error(concat("the sampler of ", options.name, " gave ", order.ids.size(),
                           " numbers, and said that it gives ", options.plan.samples));
    order.repeats = count_repeats(order.ids, options);
    return order;
}

BatchSampler::~BatchSampler() = default;

std::vector<int64_t> BatchSampler::order(const Dataset& dataset, uint64_t seed,
                                         int64_t epoch) const {
    return batches(dataset, seed, epoch, {}).ids;
}

int64_t BatchSampler::size(const Dataset& dataset) const {
    return int64_t(order(dataset, 0, 0).size());
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
