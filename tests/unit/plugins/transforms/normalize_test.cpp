// Normalize and ToTensor: numbers, and writing into the batch.
#include <gtest/gtest.h>

#include "some_samples.hpp"

namespace ailab {
namespace {

using test::make;
using test::sample_of;
using test::some_image;

const char* const color =
    R"({"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})";
const char* const gray = R"({"type": "Normalize", "mean": [0.1307], "std": [0.3081]})";
const char* const to_tensor = R"({"type": "ToTensor"})";

TEST(Normalize, IsTheFormulaToTheLastBit) {
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{7, 5}, {24, 24}, {1, 1}}) {
        const Tensor image = some_image(3, height, width);
        const Tensor mean = at::tensor({0.485F, 0.456F, 0.406F}).view({3, 1, 1});
        const Tensor std = at::tensor({0.229F, 0.224F, 0.225F}).view({3, 1, 1});
        const Tensor unit = image.to(at::kFloat).div(255);
        EXPECT_TRUE(test::apply(color, sample_of(image)).equal(unit.sub(mean).div(std)));
        EXPECT_TRUE(test::apply(color, sample_of(unit)).equal(unit.sub(mean).div(std)));
    }
}

TEST(ToTensor, MakesBytesFloatsAndLeavesFloats) {
    const Tensor image = some_image(3, 4, 5), unit = image.to(at::kFloat).div(255);
    EXPECT_TRUE(test::apply(to_tensor, sample_of(image)).equal(unit));
    EXPECT_TRUE(test::apply(to_tensor, sample_of(unit)).equal(unit));
}

/// A batch's memory for one image, in the memory formats that batches have.
std::vector<Tensor> batch_memories(at::IntArrayRef shape) {
    const int64_t c = shape[0], h = shape[1], w = shape[2];
    return {at::full({3, c, h, w}, -9.0)[1], at::full({3, h, w, c}, -9.0).permute({0, 3, 1, 2})[1],
            at::full({3, c, w, h}, -9.0).permute({0, 1, 3, 2})[1]};
}

TEST(Normalize, WritesIntoTheBatchWhatApplyGives) {
    for (const bool floats : {false, true})
        for (const char* json : {color, gray, to_tensor}) {
            Tensor image = some_image(json == gray ? 1 : 3, 9, 11);
            if (floats) image = image.to(at::kFloat).div(255);
            const auto transform = make<Transform>(json);
            const Tensor applied = test::apply(json, sample_of(image));
            for (Tensor memory : batch_memories(image.sizes())) {
                Sample sample = sample_of(image);
                const auto layout = transform->layout(sample);
                ASSERT_TRUE(layout.has_value());
                EXPECT_EQ(layout->field, "input");
                EXPECT_EQ(layout->shape, image.sizes().vec());
                EXPECT_EQ(layout->dtype, at::kFloat);
                Philox random(1);
                transform->write(sample, random, memory);
                EXPECT_TRUE(memory.equal(applied)) << json;
                EXPECT_FALSE(sample.has("input"));
                EXPECT_TRUE(sample.has("target"));
            }
        }
}

TEST(Normalize, KnowsNoLayoutOfAnImageThatIsNotDecoded) {
    Sample sample;
    sample.set("image", image_of(some_image(3, 4, 5)));
    EXPECT_FALSE(make<Transform>(color)->layout(sample).has_value());
}

}  // namespace
}  // namespace ailab
