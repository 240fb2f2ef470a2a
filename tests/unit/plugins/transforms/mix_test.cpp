// Mixup and CutMix: transforms of whole batches.
#include <gtest/gtest.h>

#include "some_samples.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

const std::vector<std::string> both = {R"({"type": "Mixup", "num_classes": 5, "alpha": 0.4})",
                                       R"({"type": "CutMix", "num_classes": 5})"};

Batch some_batch(int64_t from, int64_t to) {
    std::vector<Tensor> images, targets;
    for (int64_t i = from; i < to; ++i) {
        images.push_back(at::arange(3 * 6 * 8, at::kFloat).view({3, 6, 8}).add(1000 * i));
        targets.push_back(at::scalar_tensor(i % 5, at::kLong));
    }
    return Batch(at::stack(images), at::stack(targets));
}

void mix(const std::string& json, Batch& batch, const Batch& before, uint64_t seed = 3) {
    const auto transform = make<Transform>(json);
    ASSERT_TRUE(transform->by_batch());
    transform->apply_batch(batch, before, Philox(seed));
}

TEST(Mixing, GivesTheSameForEveryWorldSize) {
    for (const std::string& json : both)
        for (uint64_t seed = 0; seed < 5; ++seed) {
            Batch whole = some_batch(0, 8), front = some_batch(0, 3), back = some_batch(3, 8);
            mix(json, whole, some_batch(7, 8), seed);
            mix(json, front, some_batch(7, 8), seed);
            mix(json, back, some_batch(2, 3), seed);
            for (const char* field : {"input", "target"})
                EXPECT_TRUE(
                    at::cat({front.tensor(field), back.tensor(field)}).equal(whole.tensor(field)))
                    << json;
        }
}

TEST(Mixing, GivesTheSameForEveryMemoryFormat) {
    for (const std::string& json : both) {
        Batch plain = some_batch(0, 4), last = some_batch(0, 4);
        last.set("input", last.tensor("input").contiguous(at::MemoryFormat::ChannelsLast));
        mix(json, plain, some_batch(3, 4));
        mix(json, last, some_batch(3, 4));
        EXPECT_TRUE(plain.tensor("input").equal(last.tensor("input")));
    }
}

TEST(Mixing, MixesTargetsByTheShareOfPixels) {
    for (const std::string& json : both)
        for (uint64_t seed = 0; seed < 20; ++seed) {
            Batch batch(at::tensor({0.0F, 1.0F}).view({2, 1, 1, 1}).expand({2, 1, 20, 20}).clone(),
                        at::tensor({4, 2}, at::kLong));
            const Batch before(at::ones({1, 1, 20, 20}), at::tensor({2}, at::kLong));
            mix(json, batch, before, seed);
            const Tensor target = batch.tensor("target");
            EXPECT_EQ(target.sizes(), at::IntArrayRef({2, 5}));
            EXPECT_EQ(target.scalar_type(), at::kFloat);
            EXPECT_TRUE(at::allclose(target.sum(1), at::ones({2})));
            // The first image is 0 and what comes of the one before is 1.
            const double of_other = batch.tensor("input")[0].mean().item<double>();
            EXPECT_NEAR(target[0][2].item<double>(), of_other, 1e-5);
            EXPECT_NEAR(target[0][4].item<double>(), 1 - of_other, 1e-5);
        }
}

TEST(Mixing, TakesSoftTargets) {
    Batch batch = some_batch(0, 2), before = some_batch(1, 2);
    batch.set("target", at::eye(2));
    before.set("target", at::eye(2).narrow(0, 1, 1));
    mix(R"({"type": "Mixup"})", batch, before);
    EXPECT_TRUE(at::allclose(batch.tensor("target").sum(1), at::ones({2})));
}

TEST(Mixup, DrawsItsShareFromABetaDistribution) {
    // Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)).
    for (const double alpha : {0.001, 0.2, 1.0, 5.0}) {
        double sum = 0, squares = 0;
        constexpr int draws = 2000;
        for (int i = 0; i < draws; ++i) {
            Batch batch(at::ones({1, 1, 1, 1}), at::zeros({1}, at::kLong));
            const Batch before(at::zeros({1, 1, 1, 1}), at::zeros({1}, at::kLong));
            mix(concat(R"({"type": "Mixup", "num_classes": 1, "alpha": )", alpha, "}"), batch,
                before, uint64_t(i));
            const double share = batch.tensor("input").item<double>();
            ASSERT_TRUE(share >= 0 && share <= 1);
            sum += share;
            squares += share * share;
        }
        const double mean = sum / draws, variance = squares / draws - mean * mean;
        EXPECT_NEAR(mean, 0.5, 0.04) << alpha;
        EXPECT_NEAR(variance, 1 / (4 * (2 * alpha + 1)), 0.012) << alpha;
    }
}

TEST(Mixing, LeavesAnEmptyBatchAlone) {
    for (const std::string& json : both) {
        Batch batch;
        mix(json, batch, some_batch(0, 1));
        EXPECT_TRUE(batch.fields.empty());
    }
}

TEST(Mixing, SaysWhatItCannotMix) {
    const auto error = [](const char* json, const char* field, Tensor value) {
        Batch batch = some_batch(0, 2);
        batch.set(field, std::move(value));
        return error_of([&] { mix(json, batch, some_batch(1, 2)); });
    };
    const char* const mixup = R"({"type": "Mixup", "num_classes": 5})";
    EXPECT_TRUE(contains(error(R"({"type": "CutMix"})", "target", at::zeros({2}, at::kLong)),
                         "CutMix: the targets are class numbers; set num_classes"));
    EXPECT_TRUE(contains(error(mixup, "target", at::tensor({0, 5}, at::kLong)),
                         "Mixup: num_classes is 5, and there is a target 5: it must be the number "
                         "of classes, at least 6"));
    EXPECT_TRUE(contains(error(mixup, "target", at::tensor({-1, 0}, at::kLong)),
                         "Mixup: there is a target -1, which is no class"));
    EXPECT_TRUE(contains(error(mixup, "target", at::zeros({2})), "class numbers"));
    EXPECT_TRUE(contains(error(mixup, "input", at::zeros({2, 3, 6, 8}, at::kByte)),
                         "List Normalize or ToTensor before it"));
    EXPECT_TRUE(contains(error(mixup, "mask", at::zeros({2, 6, 8}, at::kLong)), "mask"));
}

}  // namespace
}  // namespace ailab
