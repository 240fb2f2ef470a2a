#include "data/batch_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ailab {
namespace {

BatchPlan plan(int64_t samples, int64_t batch, int world, bool evaluation = false) {
    BatchPlan p;
    p.samples = samples;
    p.batch_size = batch;
    p.world_size = world;
    p.evaluation = evaluation;
    return p;
}

/// The positions that all ranks together take in iteration k, in the order of ranks.
std::vector<int64_t> assigned(BatchPlan p, int64_t k) {
    std::vector<int64_t> positions;
    for (p.rank = 0; p.rank < p.world_size; ++p.rank) {
        const auto slice = p.slice(k);
        for (int64_t i = slice.begin; i < slice.end; ++i) positions.push_back(i);
    }
    return positions;
}

TEST(BatchPlan, TrainingBatchesHoldTheSameSamplesForEveryWorldSize) {
    for (const int64_t samples : {1, 7, 64, 100, 101, 127, 128}) {
        const BatchPlan one = plan(samples, 16, 1);
        for (const int world : {1, 2, 4}) {
            const BatchPlan p = plan(samples, 16, world);
            ASSERT_EQ(p.iterations(), one.iterations());
            for (int64_t k = 0; k < p.iterations(); ++k)
                EXPECT_EQ(assigned(p, k), assigned(one, k))
                    << samples << " samples, world " << world;
        }
    }
}

TEST(BatchPlan, EveryRankKnowsTheTrueSizeOfTheLastBatch) {
    BatchPlan p = plan(17, 16, 4);
    EXPECT_EQ(p.iterations(), 2);
    int64_t with_samples = 0;
    for (p.rank = 0; p.rank < 4; ++p.rank) {
        EXPECT_EQ(p.slice(0).size(), 4);
        EXPECT_EQ(p.slice(1).global_size, 1);
        with_samples += p.slice(1).size();
    }
    EXPECT_EQ(with_samples, 1);
}

TEST(BatchPlan, EvaluationDealsWholeBatchesInTurnAndEachSampleOnce) {
    for (const int64_t samples : {1, 9, 10, 95, 100}) {
        for (const int world : {1, 2, 3, 4, 7}) {
            BatchPlan p = plan(samples, 10, world, true);
            std::vector<int> seen(size_t(samples), 0);
            for (p.rank = 0; p.rank < world; ++p.rank)
                for (int64_t k = 0; k < p.iterations(); ++k) {
                    const auto slice = p.slice(k);
                    if (slice.size() > 0) {
                        EXPECT_EQ(slice.begin % 10, 0);
                        EXPECT_EQ(slice.global_size, slice.size());
                    }
                    for (int64_t i = slice.begin; i < slice.end; ++i) ++seen[size_t(i)];
                }
            EXPECT_EQ(seen, std::vector<int>(size_t(samples), 1)) << samples << " over " << world;
        }
    }
}

TEST(BatchPlan, ALossThatSumsIsToldTheConfiguredBatchForEveryWorldSize) {
    for (const int64_t samples : {1, 11, 12, 30}) {
        for (const int world : {1, 2, 3, 4}) {
            BatchPlan p = plan(samples, 12 / world, world, true);
            p.shared_size = 12;
            BatchPlan whole = plan(samples, 12, world, true);
            for (p.rank = whole.rank = 0; p.rank < world; whole.rank = ++p.rank) {
                for (int64_t k = 0; k < p.iterations(); ++k)
                    if (const auto slice = p.slice(k); slice.size() > 0)
                        EXPECT_EQ(p.summed_size(slice),
                                  std::min<int64_t>(12, samples - slice.begin / 12 * 12));
                for (int64_t k = 0; k < whole.iterations(); ++k)
                    EXPECT_EQ(whole.summed_size(whole.slice(k)), whole.slice(k).size());
            }
        }
    }
}

TEST(BatchPlan, DropLastLeavesOutTheSmallerBatch) {
    BatchPlan p = plan(17, 8, 2);
    p.drop_last = true;
    EXPECT_EQ(p.iterations(), 2);
    EXPECT_EQ(p.samples_after(2), 16);
    p.samples = 7;
    EXPECT_EQ(p.iterations(), 0);
}

TEST(BatchPlan, CountsTheSamplesDealt) {
    EXPECT_EQ(plan(100, 16, 4).samples_after(0), 0);
    EXPECT_EQ(plan(100, 16, 4).samples_after(3), 48);
    EXPECT_EQ(plan(100, 16, 4).samples_after(7), 100);
    EXPECT_EQ(plan(100, 16, 4, true).samples_after(1), 64);
    EXPECT_EQ(plan(100, 16, 4, true).samples_after(2), 100);
}

}  // namespace
}  // namespace ailab
