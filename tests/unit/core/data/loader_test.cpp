#include "data/loader.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <set>

namespace ailab {
namespace {

/// Sample i is {i, 10 i}; sample `bad` throws.
class Numbers : public Dataset {
  public:
    explicit Numbers(int64_t n, int64_t bad = -1, bool whole = false)
        : n_(n), bad_(bad), whole_(whole) {}
    int64_t size() const override { return n_; }
    Sample get(int64_t i, const SampleContext& context) const override {
        if (i == bad_) throw Error("the disk ate it");
        Philox random = context.random(i);
        return Sample(at::full({2}, double(i) + random.uniform() * 0.5),
                      at::scalar_tensor(10 * i, at::kLong));
    }
    bool has_batches() const override { return whole_; }
    void get_batch(std::span<const int64_t> indices, const SampleContext&,
                   Batch& batch) const override {
        Tensor& x = ensure(batch, "input", {int64_t(indices.size())}, at::kFloat);
        for (size_t i = 0; i < indices.size(); ++i) {
            if (indices[i] == bad_) throw Error("the disk ate it");
            x.mutable_data_ptr<float>()[i] = float(indices[i]);
        }
    }

  private:
    int64_t n_, bad_;
    bool whole_;
};

class Shuffled : public Sampler {
  public:
    std::vector<int64_t> order(const Dataset& dataset, uint64_t seed,
                               int64_t epoch) const override {
        return permutation(dataset.size(), seed, uint64_t(epoch));
    }
    int64_t size(const Dataset& dataset) const override { return dataset.size(); }
};

LoaderOptions options(int64_t samples, int64_t batch, int workers = 1, int rank = 0,
                      int world = 1) {
    LoaderOptions o;
    o.dataset = std::make_shared<Numbers>(samples);
    o.sampler = std::make_shared<Shuffled>();
    o.plan = {.samples = samples, .batch_size = batch, .world_size = world, .rank = rank};
    o.context.seed = 5;
    o.workers = workers;
    o.prefetch = 3;
    o.name = "data.train";
    return o;
}

TEST(Loader, GivesTheSameBatchesForAnyNumberOfWorkers) {
    Loader one(options(50, 8, 1)), four(options(50, 8, 4));
    for (int i = 0; i < 20; ++i) {  // over several epochs
        EXPECT_EQ(one.epoch(), i / 7);
        EXPECT_EQ(one.iteration(), i % 7);
        const Batch a = one.next(), b = four.next();
        EXPECT_EQ(a.ids, b.ids);
        EXPECT_TRUE(a.tensor("input").equal(b.tensor("input")));
    }
}

TEST(Loader, RanksTogetherSeeWhatOneRankSees) {
    Loader alone(options(50, 8));
    Loader r0(options(50, 8, 2, 0, 2)), r1(options(50, 8, 2, 1, 2));
    for (int i = 0; i < 14; ++i) {
        std::vector<int64_t> ids = r0.next().ids;
        const std::vector<int64_t> more = r1.next().ids;
        ids.insert(ids.end(), more.begin(), more.end());
        EXPECT_EQ(ids, alone.next().ids);
    }
}

TEST(Loader, ResumesAtAnyPosition) {
    Loader whole(options(50, 8));
    std::vector<Batch> batches;
    for (int i = 0; i < 12; ++i) batches.push_back(whole.next());
    Loader resumed(options(50, 8));
    resumed.seek(/*epoch=*/1, /*iteration=*/2);
    for (size_t i = 9; i < 12; ++i) {
        const Batch batch = resumed.next();
        EXPECT_EQ(batch.ids, batches[i].ids);
        EXPECT_TRUE(batch.tensor("input").equal(batches[i].tensor("input")));
    }
    EXPECT_THROW(resumed.seek(0, 0), Error) << "batches are under way";
}

TEST(Loader, ReusesTheMemoryOfBatchesGivenBack) {
    LoaderOptions o = options(64, 8);
    o.dataset = std::make_shared<Numbers>(64, -1, true);
    o.prefetch = 1;
    Loader loader(o);
    std::set<const void*> blocks;
    for (int i = 0; i < 100; ++i) {
        Batch batch = loader.next();
        EXPECT_EQ(batch.tensor("input")[0].item<float>(), float(batch.ids[0]));
        blocks.insert(batch.tensor("input").data_ptr());
        loader.recycle(std::move(batch));
    }
    EXPECT_LE(blocks.size(), 10u);  // so small ones are made 8 ahead
}

TEST(Loader, NamesTheSampleThatFailed) {
    for (const bool whole : {false, true}) {
        LoaderOptions o = options(20, 4, 2);
        o.dataset = std::make_shared<Numbers>(20, 13, whole);
        Loader loader(o);
        std::string text;
        std::vector<int64_t> seen;
        try {
            for (int i = 0; i < 5; ++i)
                for (const int64_t id : loader.next().ids) seen.push_back(id);
        } catch (const Error& error) {
            text = error.what();
        }
        EXPECT_EQ(std::count(seen.begin(), seen.end(), 13), 0);
        EXPECT_NE(text.find("the disk ate it"), std::string::npos) << text;
        EXPECT_EQ(text.rfind("data.train, ", 0), 0u) << text;
        EXPECT_NE(text.find("13"), std::string::npos) << text;
    }
}

TEST(Loader, CanBeDestroyedWhileItWorksAhead) {
    for (int i = 0; i < 20; ++i) {
        Loader loader(options(1000, 4, 3));
        if (i % 2) loader.next();
    }
}

TEST(Loader, ConvertsFloatsToTheRunsType) {
    LoaderOptions o = options(8, 4);
    o.dtype = at::kDouble;
    Loader loader(o);
    const Batch batch = loader.next();
    EXPECT_EQ(batch.tensor("input").scalar_type(), at::kDouble);
    EXPECT_EQ(batch.tensor("target").scalar_type(), at::kLong);
}

}  // namespace
}  // namespace ailab
