// How samples become batches: transforms that write into the batch, transforms of whole batches,
// samples that come several times, and the time that each stage takes.
#include "data/batch_maker.hpp"

#include <gtest/gtest.h>

#include <map>

#include "fake_samples.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::FakeSamples;
using test::FixedOrder;
using test::loader_options;

class Double : public Transform {
  public:
    void apply(Sample& sample, Philox&) const override { sample.tensor("input").mul_(2); }
};

/// Adds noise; writes into the batch if it may. Samples in `small` are of another size.
class AddNoise : public Transform {
  public:
    explicit AddNoise(bool writes) : writes_(writes) {}
    void apply(Sample& sample, Philox& random) const override {
        sample.set("input", sized(sample) + random.uniform());
    }
    std::optional<FieldLayout> layout(const Sample& sample) const override {
        if (!writes_) return std::nullopt;
        return FieldLayout{"input", sized(sample).sizes().vec(), dtype};
    }
    void write(Sample& sample, Philox& random, Tensor& out) const override {
        EXPECT_EQ(out.scalar_type(), dtype);
        if (broken_in_write.count(id(sample))) throw BrokenSample("cut");
        out.copy_(sized(sample) + random.uniform());
        sample.fields.erase("input");
    }

    std::set<int64_t> small, broken_in_write;
    at::ScalarType dtype = at::kFloat;

  private:
    static int64_t id(const Sample& sample) { return sample.tensor("target").item<int64_t>() / 10; }
    Tensor sized(const Sample& sample) const {
        const Tensor& input = sample.tensor("input");
        return small.count(id(sample)) ? input.narrow(1, 0, 2) : input;
    }
    const bool writes_;
};

LoaderOptions with_noise(int64_t samples, bool writes) {
    LoaderOptions options = loader_options(std::make_shared<FakeSamples>(samples), 4);
    options.transforms = {std::make_shared<Double>(), std::make_shared<AddNoise>(writes)};
    return options;
}

TEST(BatchMaker, GivesTheSameBatchWhetherTransformsWriteIntoItOrNot) {
    for (const bool channels_last : {false, true})
        for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
            LoaderOptions stacks = with_noise(10, false), writes = with_noise(10, true);
            for (LoaderOptions* options : {&stacks, &writes}) {
                options->channels_last = channels_last;
                options->dtype = dtype;
            }
            BatchMaker one(stacks), two(writes);
            Batch reused;
            for (int64_t number = 0; number < 6; ++number) {
                const MadeBatch a = one.make(number, Batch());
                MadeBatch b = two.make(number, std::move(reused));
                ASSERT_FALSE(a.error || b.error);
                EXPECT_EQ(a.batch.ids, b.batch.ids);
                EXPECT_EQ(b.batch.tensor("input").scalar_type(), dtype);
                EXPECT_EQ(a.batch.tensor("input").strides(), b.batch.tensor("input").strides());
                EXPECT_TRUE(a.batch.tensor("input").equal(b.batch.tensor("input")));
                EXPECT_TRUE(a.batch.tensor("target").equal(b.batch.tensor("target")));
                reused = std::move(b.batch);
            }
        }
}

/// Keeps what it drew.
class Draw : public Transform {
  public:
    void apply(Sample& sample, Philox& random) const override {
        sample.set("drawn", at::scalar_tensor(random.uniform(), at::kDouble));
    }
};

TEST(BatchMaker, WhatADatasetDrawsIsIndependentOfItsTransforms) {
    constexpr int64_t count = 200;
    LoaderOptions options = loader_options(std::make_shared<FakeSamples>(count), count);
    options.dtype = at::kDouble;  // no number is rounded
    options.transforms = {std::make_shared<Draw>()};
    const MadeBatch made = BatchMaker(options).make(0, Batch());
    ASSERT_FALSE(made.error);
    int64_t outcomes[2][2] = {};
    for (int64_t i = 0; i < count; ++i) {
        const int64_t id = made.batch.ids[size_t(i)];
        const double own = 2 * (made.batch.tensor("input")[i].max().item<double>() - double(id));
        const double drawn = made.batch.tensor("drawn")[i].item<double>();
        EXPECT_EQ(drawn, Philox(options.context.seed, 0, uint64_t(id)).uniform())
            << "transforms draw what they always drew";
        ++outcomes[own > 0.5][drawn > 0.5];
    }
    for (const auto& row : outcomes)
        for (const int64_t one : row) EXPECT_NEAR(one, count / 4, 25) << "four deviations";
}

TEST(BatchMaker, WritesIntoTheMemoryOfAnEarlierBatch) {
    BatchMaker maker(with_noise(8, true));
    Batch batch = maker.make(0, Batch()).batch;
    const void* memory = batch.tensor("input").const_data_ptr();
    batch = maker.make(1, std::move(batch)).batch;
    EXPECT_EQ(batch.tensor("input").const_data_ptr(), memory);
    const Tensor held = batch.tensor("input");
    batch = maker.make(2, std::move(batch)).batch;
    EXPECT_NE(batch.tensor("input").const_data_ptr(), memory) << "somebody still holds it";
}

TEST(BatchMaker, TellsWhichSamplesAreOfDifferentSizes) {
    const auto noise = std::make_shared<AddNoise>(true);
    noise->small = {2};
    LoaderOptions options = loader_options(std::make_shared<FakeSamples>(4), 4);
    options.sampler = std::make_shared<FixedOrder>(std::vector<int64_t>{3, 1, 2, 0});
    options.transforms = {noise};
    Loader loader(options);
    EXPECT_EQ(error_of([&] { loader.next(); }),
              "data.train, sample 2 (file2): sample 3 (file3) gives input [2, 3, 3] Float, and "
              "sample 2 (file2) gives input [2, 2, 3] Float; the samples of a batch must be alike: "
              "let the transforms resize or crop them to one size");
}

TEST(BatchMaker, PlacesOfSamplesThatBreakWhileTheyAreWrittenGoToTheNext) {
    const auto noise = std::make_shared<AddNoise>(true);
    noise->broken_in_write = {0, 2};
    noise->small = {0};  // the size is that of the first that can be used
    LoaderOptions options = loader_options(std::make_shared<FakeSamples>(4), 4);
    options.sampler = std::make_shared<FixedOrder>(std::vector<int64_t>{0, 1, 2, 3});
    options.transforms = {noise};
    BatchMaker maker(options);
    const MadeBatch made = maker.make(0, Batch());
    ASSERT_FALSE(made.error);
    EXPECT_EQ(made.batch.ids, (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(made.batch.tensor("input").sizes(), (std::vector<int64_t>{2, 2, 3, 3}));
    EXPECT_GE(made.batch.tensor("input")[1].min().item<float>(), 3) << "sample 3 and its noise";
    EXPECT_TRUE(made.batch.tensor("target").equal(at::tensor({10, 30}, at::kLong)));
}

/// Mixes each sample with the one before it, by a share that is the batch's.
class MixWithBefore : public Transform {
  public:
    bool by_batch() const override { return true; }
    void apply_batch(Batch& batch, const Batch& before, Philox random) const override {
        const double share = random.uniform();
        for (const char* name : {"input", "target"}) {
            const Tensor x = batch.tensor(name).to(at::kDouble);
            const Tensor previous =
                at::cat({before.tensor(name).to(at::kDouble), x.narrow(0, 0, batch.size - 1)});
            batch.set(name, x * share + previous * (1 - share));
        }
    }
};

/// Batch after batch, all ranks' samples together: ids, and inputs with targets.
std::map<int64_t, std::pair<std::vector<int64_t>, Tensor>> all_batches(
    int world, int64_t batch_size, bool evaluation, const std::set<int64_t>& broken, bool writes) {
    std::map<int64_t, std::pair<std::vector<int64_t>, Tensor>> batches;
    const auto data = std::make_shared<FakeSamples>(22);
    data->broken = broken;
    for (int rank = 0; rank < world; ++rank) {
        LoaderOptions options = loader_options(data, batch_size, rank, world);
        options.plan.evaluation = evaluation;
        options.transforms = {std::make_shared<AddNoise>(writes)};
        options.batch_transform = std::make_shared<MixWithBefore>();
        options.dtype = at::kDouble;
        const BatchPlan plan = options.plan;
        Loader loader(options);
        for (int64_t i = 0; i < 2 * plan.iterations(); ++i) {
            const Batch batch = loader.next();
            if (batch.size == 0) continue;
            const int64_t number =
                i / plan.iterations() * 1000 + plan.batch_number(i % plan.iterations());
            auto& [ids, values] = batches[number];
            ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
            const Tensor rows =
                at::cat({batch.tensor("input").flatten(1), batch.tensor("target").unsqueeze(1)}, 1);
            values = values.defined() ? at::cat({values, rows}) : rows;
        }
    }
    return batches;
}

TEST(BatchMaker, TransformsOfWholeBatchesGiveTheSameForEveryWorldSize) {
    // 22 samples in batches of 8: the last has 6, and with 8 ranks two have none.
    for (const std::set<int64_t>& broken :
         {std::set<int64_t>{}, {3}, {0, 1, 2, 3, 5, 8, 9, 12, 15, 20, 21}})
        for (const bool writes : {false, true}) {
            const auto alone = all_batches(1, 8, false, broken, writes);
            ASSERT_EQ(alone.size(), 6u);
            for (const int world : {2, 4, 8}) {
                const auto together = all_batches(world, 8, false, broken, writes);
                ASSERT_EQ(together.size(), alone.size());
                for (const auto& [number, batch] : alone) {
                    EXPECT_EQ(together.at(number).first, batch.first);
                    EXPECT_TRUE(together.at(number).second.equal(batch.second));
                }
            }
        }
}

TEST(BatchMaker, TransformsOfWholeBatchesStayInsideAnEvaluationsBatch) {
    const auto alone = all_batches(1, 4, true, {3}, true);
    for (const int world : {2, 4}) {
        const auto together = all_batches(world, 4, true, {3}, true);
        ASSERT_EQ(together.size(), alone.size());
        for (const auto& [number, batch] : alone)
            EXPECT_TRUE(together.at(number).second.equal(batch.second));
    }
}

TEST(BatchMaker, EachBatchHasItsOwnRandomNumbers) {
    class Draws : public Transform {
      public:
        bool by_batch() const override { return true; }
        void apply_batch(Batch& batch, const Batch&, Philox random) const override {
            batch.set("target", at::full({batch.size}, random.uniform(), at::kDouble));
        }
    };
    LoaderOptions options = loader_options(std::make_shared<FakeSamples>(8), 4);
    options.batch_transform = std::make_shared<Draws>();
    options.dtype = at::kDouble;
    Loader loader(options);
    std::set<double> drawn;
    for (int i = 0; i < 6; ++i) {
        const Batch batch = loader.next();
        drawn.insert(batch.tensor("target")[0].item<double>());
    }
    EXPECT_EQ(drawn.size(), 6u);
    for (int64_t number : {0, 1})
        EXPECT_EQ(drawn.count(Philox(5, 0, uint64_t(number)).uniform()), 0u);
}

TEST(BatchMaker, CountsHowOftenASampleCame) {
    class Repeat : public FakeSamples {
      public:
        Repeat() : FakeSamples(4) {}
        Sample get(int64_t i, const SampleContext& context) const override {
            return Sample(at::scalar_tensor(context.repeat, at::kLong), at::scalar_tensor(i));
        }
    };
    LoaderOptions options = loader_options(std::make_shared<Repeat>(), 6);
    options.sampler = std::make_shared<FixedOrder>(std::vector<int64_t>{2, 0, 2, 1, 0, 2});
    options.plan.samples = 6;
    Loader loader(options);
    for (int epoch = 0; epoch < 2; ++epoch)
        EXPECT_TRUE(loader.next().tensor("input").equal(at::tensor({0, 0, 1, 0, 1, 2}, at::kLong)));
    EXPECT_TRUE(make_order(loader_options(std::make_shared<FakeSamples>(9), 3), 0).repeats.empty());
}

TEST(BatchMaker, RefusesNumbersThatTheDatasetHasNot) {
    for (const int64_t wrong : {-1, 4}) {
        LoaderOptions options = loader_options(std::make_shared<FakeSamples>(4), 2);
        options.sampler = std::make_shared<FixedOrder>(std::vector<int64_t>{0, 1, wrong, 3});
        Loader loader(options);
        EXPECT_EQ(error_of([&] { loader.next(); }),
                  concat("the sampler of data.train gave the number ", wrong,
                         "; the dataset has 0 to 3"));
    }
}

TEST(BatchMaker, TellsWhatEachStageTook) {
    class Slow : public Transform {
      public:
        void apply(Sample&, Philox&) const override {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    };
    const auto data = std::make_shared<FakeSamples>(4);
    data->read_time = std::chrono::milliseconds(5);
    LoaderOptions options = loader_options(data, 4);
    options.transforms = {std::make_shared<Slow>()};
    Loader loader(options);
    loader.next();
    const StageTimes times = loader.take_times();
    EXPECT_GE(times.seconds(LoadStage::read), 0.020);
    EXPECT_GE(times.seconds(LoadStage::transform), 0.008);
    EXPECT_EQ(times.seconds(LoadStage::decode), 0);
    EXPECT_EQ(loader.take_times().seconds(LoadStage::read), 0);
}

}  // namespace
}  // namespace ailab
