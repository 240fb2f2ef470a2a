#include "tensorboard/sample_images.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ailab::tensorboard {
namespace {

TEST(SampleImages, TakesTheFirstImagesOfTheBatch) {
    const Tensor image = at::rand({3, 3, 4, 5}).to(at::MemoryFormat::ChannelsLast);
    const Tensor target = at::tensor({7, 8, 9}, at::kInt);
    Batch batch{{"input", image}, {"target", target}, {"output", at::rand({3, 10}, at::kHalf)}};
    batch.ids = {30, 31, 32};
    const auto taken = take_images(batch, 2);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(at::equal(taken->pixels, image.narrow(0, 0, 2)));
    EXPECT_TRUE(taken->pixels.is_contiguous());
    EXPECT_NE(taken->pixels.const_data_ptr(), image.const_data_ptr());
    EXPECT_EQ(taken->ids, (std::vector<int64_t>{30, 31}));
    EXPECT_TRUE(at::equal(taken->targets, at::tensor({7, 8}, at::kLong)));
    EXPECT_EQ(taken->scores.scalar_type(), at::kFloat);
    EXPECT_EQ(taken->scores.sizes(), (at::IntArrayRef{2, 10}));
    EXPECT_EQ(take_images(batch, 100)->ids.size(), 3u);
}

TEST(SampleImages, TakesWhatIsThere) {
    const Tensor image = at::zeros({2, 1, 4, 4}), classes = at::zeros({2}, at::kLong);
    const struct {
        std::string name;
        Batch batch;
        bool images, targets, scores;
    } rows[] = {
        {"classification",
         {{"input", image}, {"target", classes}, {"output", at::zeros({2, 3})}},
         true,
         true,
         true},
        {"its other names", {{"image", image}, {"label", classes}}, true, true, false},
        {"bytes", {{"input", image.to(at::kByte)}}, true, false, false},
        {"autoencoder",
         {{"input", image}, {"target", image}, {"output", image}},
         true,
         false,
         false},
        {"regression",
         {{"input", image}, {"target", at::zeros({2})}, {"output", at::zeros({2, 1})}},
         true,
         false,
         false},
        {"vectors", {{"input", at::zeros({2, 16})}}, false, false, false},
        {"two channels", {{"input", at::zeros({2, 2, 4, 4})}}, false, false, false},
        {"text", {{"input", std::vector<std::string>{"a", "b"}}}, false, false, false},
        {"none", {}, false, false, false},
    };
    for (const auto& row : rows) {
        const auto taken = take_images(row.batch, 2);
        ASSERT_EQ(bool(taken), row.images) << row.name;
        if (!taken) continue;
        EXPECT_EQ(taken->targets.defined(), row.targets) << row.name;
        EXPECT_EQ(taken->scores.defined(), row.scores) << row.name;
    }
}

}  // namespace
}  // namespace ailab::tensorboard
