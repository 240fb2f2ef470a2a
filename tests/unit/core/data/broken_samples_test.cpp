// Samples that cannot be read: left out and counted, or the end of the run.
#include <gtest/gtest.h>

#include "fake_samples.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::FakeSamples;
using test::FixedOrder;
using test::loader_options;

LoaderOptions in_order(const std::shared_ptr<FakeSamples>& data, int64_t batch, int rank = 0,
                       int world = 1) {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < data->size(); ++i) ids.push_back(i);
    LoaderOptions options = loader_options(data, batch, rank, world);
    options.sampler = std::make_shared<FixedOrder>(ids);
    return options;
}

TEST(BrokenSamples, AreLeftOutOfTheirBatch) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {1, 4, 5, 6, 7};
    Loader loader(in_order(data, 4));
    const Batch first = loader.next();
    EXPECT_EQ(first.ids, (std::vector<int64_t>{0, 2, 3}));
    EXPECT_EQ(first.size, 3);
    EXPECT_EQ(first.global_size, 4) << "what other ranks left out is not known here";
    EXPECT_EQ(first.tensor("input").size(0), 3);
    EXPECT_TRUE(first.tensor("target").equal(at::tensor({0, 20, 30}, at::kLong)));
    const Batch none = loader.next();
    EXPECT_EQ(none.size, 0);
    EXPECT_TRUE(none.ids.empty());
    EXPECT_TRUE(none.fields.empty());
}

TEST(BrokenSamples, ShrinkAnEvaluationsBatch) {
    const auto data = std::make_shared<FakeSamples>(4);
    data->broken = {1};
    LoaderOptions options = in_order(data, 4);
    options.plan.evaluation = true;
    Loader loader(options);
    const Batch batch = loader.next();
    EXPECT_EQ(batch.size, 3);
    EXPECT_EQ(batch.global_size, 3);
}

TEST(BrokenSamples, AreCountedWhenTheirBatchIsTaken) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {1, 6};
    data->damaged = {2};
    Loader loader(in_order(data, 4));
    loader.next();
    const SampleFaults faults = loader.take_faults();
    EXPECT_EQ(faults.assigned, 4);
    EXPECT_EQ(faults.left_out, 1);
    EXPECT_EQ(faults.used_damaged, 1);
    ASSERT_EQ(faults.list.size(), 2u);
    EXPECT_EQ(faults.list[0].id, 1);
    EXPECT_EQ(faults.list[0].name, "file1");
    EXPECT_EQ(faults.list[0].reason, "file1 is no image");
    EXPECT_FALSE(faults.list[0].used);
    EXPECT_EQ(faults.list[1].id, 2);
    EXPECT_EQ(faults.list[1].reason, "file2 is cut");
    EXPECT_TRUE(faults.list[1].used);
    EXPECT_EQ(loader.take_faults().assigned, 0);
    loader.next();
    EXPECT_EQ(loader.take_faults().left_out, 1);
}

TEST(BrokenSamples, EndTheRunWhenTheyAreNotToBeSkipped) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {5};
    LoaderOptions options = in_order(data, 8);
    options.skip_broken = false;
    Loader loader(options);
    EXPECT_EQ(error_of([&] { loader.next(); }), "data.train, sample 5 (file5): file5 is no image");
}

TEST(BrokenSamples, OtherErrorsAlwaysEndTheRun) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->fatal = {5};
    Loader loader(in_order(data, 8));
    EXPECT_EQ(error_of([&] { loader.next(); }), "data.train, sample 5 (file5): the disk ate it");
}

TEST(BrokenSamples, MayBeSoManyInAnEpoch) {
    const auto data = std::make_shared<FakeSamples>(8);
    data->broken = {1, 6};
    LoaderOptions options = in_order(data, 4);
    options.max_errors = 2;
    Loader enough(options);
    for (int i = 0; i < 6; ++i) enough.next();  // three epochs of two

    options.max_errors = 1;
    Loader too_many(options);
    too_many.next();
    EXPECT_EQ(error_of([&] { too_many.next(); }),
              "data.train: 2 samples of this epoch cannot be used, and "
              "data.train_dataloader.max_errors is 1. The last of them: file6 is no image");
}

TEST(BrokenSamples, TolerantContextsFollowOnError) {
    class Asks : public FakeSamples {
      public:
        Asks() : FakeSamples(1) {}
        Sample get(int64_t, const SampleContext& context) const override {
            return Sample(at::scalar_tensor(context.tolerant ? 1 : 0), at::scalar_tensor(0));
        }
    };
    for (const bool skip : {false, true}) {
        LoaderOptions options = loader_options(std::make_shared<Asks>(), 1);
        options.skip_broken = skip;
        EXPECT_EQ(Loader(options).next().tensor("input").item<float>(), float(skip));
    }
}

}  // namespace
}  // namespace ailab
