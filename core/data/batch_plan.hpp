#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace ailab {

/// How one epoch's samples are assigned to batches and ranks. Numbers only, so every rank agrees.
///
/// Training takes global batches: batch k is the samples [k*G, (k+1)*G) of the epoch's order, of
/// which rank r takes the contiguous slice [m*r/W, m*(r+1)/W), m being the batch's true size.
/// Evaluation gives whole batches to the ranks in turn, so a batch holds the same samples for any
/// world size, and each sample is seen exactly once.
///
/// A sampler may form the batches itself (BatchSampler): then `ends` says for each epoch where they
/// end in its order.
struct BatchPlan {
    int64_t samples = 0;     // of one epoch, over all ranks
    int64_t batch_size = 1;  // training: global; evaluation: of one batch
    int world_size = 1;
    int rank = 0;
    bool evaluation = false;
    bool drop_last = false;
    /// Evaluation: the size of a batch of all ranks together, where the configuration gives that,
    /// or 0: then each batch is a whole one.
    int64_t shared_size = 0;
    /// Batches of an epoch that the sampler forms itself; none: they are cut from its order.
    std::optional<int64_t> own_batches = {};

    struct Slice {
        int64_t begin = 0, end = 0;  // positions in the epoch's order
        int64_t global_size = 0;
        int64_t global_begin = 0;  // of the global batch; evaluation: begin
        int64_t size() const { return end - begin; }
    };

    bool drops_last() const { return drop_last && !evaluation; }
    /// Batches of an epoch over the whole job.
    int64_t batches() const {
        if (own_batches) return *own_batches;
        return drops_last() ? samples / batch_size : (samples + batch_size - 1) / batch_size;
    }
    /// Iterations of an epoch: the same on all ranks (evaluation: some may have an empty batch).
    int64_t iterations() const {
        return evaluation ? (batches() + world_size - 1) / world_size : batches();
    }
    /// The batch of this rank's iteration `iteration`, counted in the epoch over the whole job.
    int64_t batch_number(int64_t iteration) const {
        return evaluation ? iteration * world_size + rank : iteration;
    }
    /// What this rank takes in iteration `iteration` of an epoch. `ends`: of the batches that the
    /// sampler forms, else empty.
    Slice slice(int64_t iteration, const std::vector<int64_t>& ends = {}) const {
        const int64_t batch = batch_number(iteration);
        if (batch >= batches()) return {};
        int64_t begin = batch * batch_size;
        int64_t end = begin + batch_size < samples ? begin + batch_size : samples;
        if (!ends.empty()) {
            begin = batch == 0 ? 0 : ends[size_t(batch) - 1];
            end = ends[size_t(batch)];
        }
        if (evaluation) return {begin, end, end - begin, begin};
        const int64_t m = end - begin;
        return {begin + m * rank / world_size, begin + m * (rank + 1) / world_size, m, begin};
    }
    /// Samples of the batch that the configuration speaks of, of which `slice` is a part or the
    /// whole: what a loss that sums over a batch sums over, for any world size.
    int64_t summed_size(const Slice& slice) const {
        if (!evaluation || shared_size == 0) return slice.global_size;
        const int64_t begin = slice.begin / shared_size * shared_size;
        return begin + shared_size < samples ? shared_size : samples - begin;
    }
    /// Samples that all ranks together have taken after `iterations` iterations of an epoch. Where
    /// the sampler forms the batches and they are not of one size, about so many.
    int64_t samples_after(int64_t iterations) const {
        if (own_batches && iterations >= this->iterations()) return samples;
        const int64_t assigned = iterations * batch_size * (evaluation ? world_size : 1);
        const int64_t all = drops_last() && !own_batches ? batches() * batch_size : samples;
        return assigned < all ? assigned : all;
    }
};

}  // namespace ailab
