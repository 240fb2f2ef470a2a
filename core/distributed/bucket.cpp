#include "bucket.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "ailab/shared_buckets.hpp"

namespace ailab::dist {
namespace {

/// Every parameter begins on a cache line.
constexpr int64_t alignment = 64;

int64_t aligned(int64_t elements, at::ScalarType dtype) {
    const int64_t step = alignment / int64_t(c10::elementSize(dtype));
    return (elements + step - 1) / step * step;
}

at::Tensor take_memory(const Bucket& bucket, c10d::Backend& backend) {
    const int64_t bytes = bucket.size * int64_t(c10::elementSize(bucket.dtype));
    auto* shared = dynamic_cast<SharedBuckets*>(&backend);
    if (shared && bucket.device.is_cpu())
        if (const at::Tensor memory = shared->allocate_bucket(bytes); memory.defined())
            return memory.view(bucket.dtype).zero_();
    return at::zeros({bucket.size}, at::TensorOptions(bucket.dtype).device(bucket.device));
}

at::Tensor view_of(const Slot& slot, const at::Tensor& memory) {
    const at::Tensor& parameter = slot.parameter;
    if (parameter.is_non_overlapping_and_dense())
        return memory.as_strided(parameter.sizes(), parameter.strides(), slot.offset);
    return memory.narrow(0, slot.offset, parameter.numel()).view(parameter.sizes());
}

}  // namespace

std::vector<Bucket> plan_buckets(std::vector<Slot>& slots, int64_t first_limit, int64_t limit) {
    std::vector<Bucket> buckets;
    std::map<std::pair<at::ScalarType, c10::Device>, size_t,
             decltype([](const auto& a, const auto& b) {
                 return std::tuple(a.first, a.second.type(), a.second.index()) <
                        std::tuple(b.first, b.second.type(), b.second.index());
             })>
        open;
    for (size_t i = slots.size(); i-- > 0;) {
        Slot& slot = slots[i];
        const auto kind = std::pair(slot.parameter.scalar_type(), slot.parameter.device());
        const int64_t size = aligned(slot.parameter.numel(), kind.first);
        const auto found = open.find(kind);
        bool fits = found != open.end();
        if (fits) {
            const int64_t most = found->second == 0 ? first_limit : limit;
            fits = (buckets[found->second].size + size) * slot.parameter.element_size() <= most;
        }
        if (!fits) {
            open[kind] = buckets.size();
            buckets.push_back({.dtype = kind.first, .device = kind.second});
        }
        slot.bucket = open[kind];
        Bucket& bucket = buckets[slot.bucket];
        slot.offset = bucket.size;
        slot.bytes = slot.parameter.numel() * slot.parameter.element_size();
        bucket.size += size;
        bucket.slots.push_back(i);
    }
    // Launched in this order, each waits for its predecessors: the one that fills first goes first.
    std::stable_sort(buckets.begin(), buckets.end(), [](const Bucket& a, const Bucket& b) {
        return a.slots.back() > b.slots.back();
    });
    for (size_t i = 0; i < buckets.size(); ++i)
        for (const size_t slot : buckets[i].slots) slots[slot].bucket = i;
    return buckets;
}

Tail plan_tail(std::vector<Bucket>& buckets, int64_t size) {
    const bool room = !buckets.empty() &&
                      (buckets.back().dtype == at::kFloat || buckets.back().dtype == at::kDouble);
    if (!room) {
        const c10::Device device = buckets.empty() ? c10::kCPU : buckets.back().device;
        buckets.push_back({.dtype = at::kFloat, .device = device});
    }
    const Tail tail{buckets.size() - 1, buckets.back().size, size};
    buckets.back().size += aligned(size, buckets.back().dtype);
    return tail;
}

void allocate(std::vector<Bucket>& buckets, std::vector<Slot>& slots, c10d::Backend& backend) {
    const at::NoGradGuard no_grad;
    for (Bucket& bucket : buckets) {
        bucket.memory = take_memory(bucket, backend);
        // Not every backend knows complex numbers, and a sum is the same over their parts.
        bucket.reduced = {bucket.memory.is_complex() ? at::view_as_real(bucket.memory)
                                                     : bucket.memory};
        for (const size_t i : bucket.slots) {
            slots[i].view = view_of(slots[i], bucket.memory);
            slots[i].dense = slots[i].view.is_non_overlapping_and_dense();
        }
    }
}

}  // namespace ailab::dist
