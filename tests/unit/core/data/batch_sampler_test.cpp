// Samplers that form the batches themselves.
#include <gtest/gtest.h>

#include "data/epoch_order.hpp"
#include "data/loader.hpp"
#include "fake_samples.hpp"

namespace ailab {
namespace {

using test::error_of;

/// Batches of 1, 2, 3, … of the samples in a shuffled order, so often as they fit.
class Growing : public BatchSampler {
  public:
    EpochBatches batches(const Dataset& dataset, uint64_t seed, int64_t epoch,
                         const BatchRequest&) const override {
        EpochBatches batches{permutation(dataset.size(), seed, uint64_t(epoch)), {}};
        for (int64_t size = 1, end = 1; end <= dataset.size(); end += ++size)
            batches.ends.push_back(end);
        batches.ids.resize(size_t(batches.ends.back()));
        return batches;
    }
};

/// 10 samples: batches of 1, 2, 3 and 4.
LoaderOptions growing_options(int rank = 0, int world = 1, bool evaluation = false) {
    LoaderOptions options =
        test::loader_options(std::make_shared<test::FakeSamples>(10), 4, rank, world);
    options.sampler = std::make_shared<Growing>();
    options.plan.evaluation = evaluation;
    options.plan.own_batches = 4;
    return options;
}

std::vector<std::vector<int64_t>> ids_of(Loader& loader, int64_t count) {
    std::vector<std::vector<int64_t>> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(loader.next().ids);
    return ids;
}

TEST(BatchSampler, DealsItsOwnBatches) {
    Loader loader(growing_options());
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
        const std::vector<int64_t> order = permutation(10, 5, uint64_t(epoch));
        int64_t begin = 0;
        for (int64_t size = 1; size <= 4; ++size) {
            EXPECT_EQ(loader.epoch(), epoch);
            EXPECT_EQ(loader.slice(0).global_size, size);
            const Batch batch = loader.next();
            EXPECT_EQ(loader.slice(-1).global_size, size);
            EXPECT_EQ(batch.global_size, size);
            EXPECT_EQ(batch.ids,
                      std::vector<int64_t>(order.begin() + begin, order.begin() + begin + size));
            begin += size;
        }
    }
}

TEST(BatchSampler, EachRankTakesItsSliceOfABatch) {
    for (const int world : {2, 3, 4}) {
        Loader alone(growing_options());
        std::vector<std::unique_ptr<Loader>> ranks;
        for (int rank = 0; rank < world; ++rank)
            ranks.push_back(std::make_unique<Loader>(growing_options(rank, world)));
        for (const std::vector<int64_t>& expected : ids_of(alone, 8)) {
            std::vector<int64_t> together;
            for (const auto& rank : ranks) {
                const Batch batch = rank->next();
                EXPECT_EQ(batch.global_size, int64_t(expected.size()));
                together.insert(together.end(), batch.ids.begin(), batch.ids.end());
            }
            EXPECT_EQ(together, expected);
        }
    }
}

TEST(BatchSampler, AnEvaluationDealsWholeBatchesInTurn) {
    Loader alone(growing_options(0, 1, true));
    const auto expected = ids_of(alone, 4);
    for (const int world : {2, 3}) {
        std::vector<std::vector<int64_t>> found;
        std::vector<std::unique_ptr<Loader>> ranks;
        for (int rank = 0; rank < world; ++rank)
            ranks.push_back(std::make_unique<Loader>(growing_options(rank, world, true)));
        for (int64_t i = 0; i < (4 + world - 1) / world; ++i)
            for (const auto& rank : ranks)
                if (const Batch batch = rank->next(); batch.size > 0) found.push_back(batch.ids);
        EXPECT_EQ(found, expected) << world;
    }
}

TEST(BatchSampler, IsResumedAtAnyBatch) {
    Loader whole(growing_options());
    const auto ids = ids_of(whole, 8);
    for (int64_t at = 0; at < 8; ++at) {
        Loader resumed(growing_options());
        resumed.seek(at / 4, at % 4);
        EXPECT_EQ(resumed.next().ids, ids[size_t(at)]);
    }
}

TEST(BatchSampler, GivesAnOrderOfBatchesOfOneToWhomAsksForThat) {
    const test::FakeSamples samples(10);
    EXPECT_EQ(Growing().order(samples, 5, 1), permutation(10, 5, 1));
    EXPECT_EQ(Growing().size(samples), 10);
}

TEST(BatchSampler, EpochsThatDifferFromWhatWasPlannedAreRefused) {
    struct Fixed : BatchSampler {
        EpochBatches given;
        EpochBatches batches(const Dataset&, uint64_t, int64_t,
                             const BatchRequest&) const override {
            return given;
        }
    };
    struct Case {
        EpochBatches given;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {{{0, 1, 2, 3}, {2, 4}}, ""},
        {{{0, 1, 2, 3}, {1, 2, 4}},
         "the sampler of data.train forms the batches, and an epoch has 3 of them with 4 samples, "
         "where the first one has 2 with 4; all epochs must be alike in that"},
        {{{0, 1, 2}, {2, 3}}, "an epoch has 2 of them with 3 samples"},
        {{{0, 1, 2, 3}, {2, 2}}, "batch 1 is empty"},
        {{{0, 1, 2, 3}, {1, 3}}, "the last one ends at 3 of 4 samples"},
        {{{0, 1, 2, 9}, {2, 4}}, "gave the number 9; the dataset has 0 to 3"},
    };
    for (const Case& row : table) {
        LoaderOptions options = test::loader_options(std::make_shared<test::FakeSamples>(4), 2);
        auto sampler = std::make_shared<Fixed>();
        sampler->given = row.given;
        options.sampler = sampler;
        options.plan.own_batches = 2;
        const std::string error = error_of([&] { make_order(options, 0); });
        if (*row.complaint == 0)
            EXPECT_EQ(error, "");
        else
            EXPECT_NE(error.find(row.complaint), std::string::npos) << error;
    }
}

}  // namespace
}  // namespace ailab
