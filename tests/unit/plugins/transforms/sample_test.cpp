// What transforms do with samples: fields, masks, images that are not decoded, errors.
#include <gtest/gtest.h>

#include "some_samples.hpp"

namespace ailab {
namespace {

using test::apply;
using test::contains;
using test::error_of;
using test::make;
using test::mapped_sample;
using test::sample_of;
using test::some_image;

/// Every transform that draws, with something to do.
const std::vector<std::string> drawing = {
    R"({"type": "RandomCrop", "size": 20, "padding": 2})",
    R"({"type": "RandomResizedCrop", "size": 24})",
    R"({"type": "RandomHorizontalFlip"})",
    R"({"type": "RandomVerticalFlip"})",
    R"({"type": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1})",
    R"({"type": "RandomGrayscale", "p": 0.5})",
    R"({"type": "GaussianBlur", "kernel_size": 5})",
    R"({"type": "RandomRotation", "degrees": 30})",
    R"({"type": "RandomAffine", "degrees": 9, "translate": [0.2, 0.2], "scale": [0.8, 1.2], "shear": 5})",
    R"({"type": "AutoAugment"})",
    R"({"type": "AutoAugment", "policy": "cifar10"})",
    R"({"type": "AutoAugment", "policy": "svhn"})",
    R"({"type": "RandAugment"})",
    R"({"type": "TrivialAugmentWide"})",
    R"({"type": "AugMix"})",
    R"({"type": "RandomErasing"})",
    R"({"type": "RandomApply", "transforms": [{"type": "RandomVerticalFlip", "p": 1}]})",
};

TEST(RandomTransforms, AreAFunctionOfSeedEpochAndSample) {
    for (const std::string& json : drawing) {
        const auto pixels = [&](uint64_t seed, int64_t epoch, int64_t sample) {
            SampleContext context;
            context.seed = seed;
            context.epoch = epoch;
            return apply(json, sample_of(some_image(3, 30, 40)), context.random(sample));
        };
        int differ = 0;
        for (int64_t i = 0; i < 20; ++i) {
            EXPECT_TRUE(pixels(1, 2, i).equal(pixels(1, 2, i))) << json;
            for (const Tensor& other : {pixels(1, 3, i), pixels(2, 2, i)})
                differ += !pixels(1, 2, i).equal(other);
        }
        EXPECT_GT(differ, 4) << json;
    }
}

TEST(RandomTransforms, LeaveTheDatasetsMemoryAlone) {
    const Tensor image = some_image(3, 30, 40), copy = image.clone();
    for (const std::string& json : drawing)
        for (uint64_t seed = 0; seed < 10; ++seed) {
            apply(json, sample_of(image), Philox(seed));
            ASSERT_TRUE(image.equal(copy)) << json;
        }
}

TEST(Masks, MoveWithTheImage) {
    for (const char* json : {
             R"({"type": "Resize", "size": [30, 20], "interpolation": "nearest"})",
             R"({"type": "Resize", "size": 90, "interpolation": "nearest"})",
             R"({"type": "CenterCrop", "size": [21, 30]})",
             R"({"type": "RandomCrop", "size": 20, "padding": 5, "padding_mode": "edge"})",
             R"({"type": "RandomResizedCrop", "size": 24, "interpolation": "nearest"})",
             R"({"type": "RandomHorizontalFlip", "p": 1})",
             R"({"type": "RandomVerticalFlip", "p": 1})",
             R"({"type": "Pad", "padding": 3, "padding_mode": "reflect"})",
             R"({"type": "RandomRotation", "degrees": 30})",
             R"({"type": "RandomAffine", "degrees": 9, "translate": [0.2, 0.2], "shear": 5})",
         }) {
        for (uint64_t seed = 0; seed < 5; ++seed) {
            Sample sample = mapped_sample(40, 50);
            Philox random(seed);
            make<Transform>(json)->apply(sample, random);
            const Tensor image = sample.tensor("image").to(at::kLong), mask = sample.tensor("mask");
            ASSERT_TRUE(mask.equal(image[0] * 1000 + image[1])) << json;
        }
    }
}

TEST(Masks, MayBeImagesAndHaveAChannel) {
    Sample sample = mapped_sample(40, 50);
    const Tensor mask = sample.tensor("mask").unsqueeze(0);
    Philox random(1);
    for (const bool as_image : {false, true}) {
        as_image ? sample.set("mask", image_of(mask)) : sample.set("mask", mask);
        Sample changed = sample;
        make<Transform>(R"({"type": "CenterCrop", "size": 10})")->apply(changed, random);
        EXPECT_TRUE(changed.tensor("mask").equal(mask.narrow(1, 15, 10).narrow(2, 20, 10)));
    }
}

TEST(Masks, OfAnotherSizeAreRefused) {
    Sample sample = mapped_sample(40, 50);
    sample.set("mask", at::zeros({40, 51}, at::kLong));
    Philox random(1);
    EXPECT_EQ(error_of([&] {
                  make<Transform>(R"({"type": "CenterCrop", "size": 10})")->apply(sample, random);
              }),
              "the mask is 40 x 51 pixels, the image 40 x 50");
}

TEST(Masks, HaveNoMeaningForAugMix) {
    Sample sample = mapped_sample(40, 50);
    Philox random(1);
    EXPECT_TRUE(
        contains(error_of([&] { make<Transform>(R"({"type": "AugMix"})")->apply(sample, random); }),
                 "there is no mask"));
}

TEST(EncodedImages, AreDecodedWhereTheyAreCropped) {
    for (const char* json :
         {R"({"type": "CenterCrop", "size": 20})", R"({"type": "RandomCrop", "size": [10, 30]})",
          R"({"type": "RandomResizedCrop", "size": 24})"}) {
        const Tensor pixels = some_image(3, 40, 50);
        auto image = std::make_shared<test::WatchedImage>(pixels);
        Sample sample;
        sample.set("input", ImagePtr(image));
        Philox random(4);
        make<Transform>(json)->apply(sample, random);
        EXPECT_EQ(image->whole, 0) << json;
        EXPECT_EQ(image->regions.size(), 1U) << json;
        EXPECT_TRUE(sample.tensor("input").equal(apply(json, sample_of(pixels), Philox(4))));
    }
}

TEST(EncodedImages, AreDecodedWholeToBePadded) {
    auto image = std::make_shared<test::WatchedImage>(some_image(3, 40, 50));
    Sample sample;
    sample.set("input", ImagePtr(image));
    Philox random(1);
    make<Transform>(R"({"type": "RandomCrop", "size": 40, "padding": 1})")->apply(sample, random);
    EXPECT_EQ(image->whole, 1);
    EXPECT_EQ(sample.tensor("input").sizes(), at::IntArrayRef({3, 40, 40}));
}

TEST(Images, ThatATransformCannotTakeAreRefusedByName) {
    struct Case {
        const char* json;
        Tensor image;
        const char* complaint;
    };
    const Tensor bytes = some_image(3, 30, 40);
    const Tensor floats = bytes.to(at::kFloat).div(255);
    const std::vector<Case> table = {
        {R"({"type": "RandomCrop", "size": 32})", bytes,
         "RandomCrop of 32 x 32 pixels is larger than the image of 30 x 40"},
        {R"({"type": "RandomCrop", "size": 39, "padding": 2})", bytes,
         "RandomCrop of 39 x 39 pixels is larger than the padded image of 34 x 44"},
        {R"({"type": "Resize", "size": 2, "max_size": 3})", some_image(3, 1, 40),
         "Resize would make an image of 1 x 40 pixels one of 0 x 3"},
        {R"({"type": "GaussianBlur", "kernel_size": 61})", bytes, "reaches further than an image"},
        {R"({"type": "Pad", "padding": 30, "padding_mode": "reflect"})", bytes, "by mirroring"},
        {R"({"type": "Pad", "padding": 1, "fill": 256})", bytes, "fill is 256"},
        {R"({"type": "Pad", "padding": 1, "fill": [1, 2, 3]})", some_image(1, 30, 40),
         "fill has 3 numbers, the image 1 channel"},
        {R"({"type": "RandAugment"})", floats, "before ToTensor and Normalize"},
        {R"({"type": "AugMix"})", floats, "before ToTensor and Normalize"},
        {R"({"type": "RandomErasing", "p": 1, "value": "random"})", bytes, "after ToTensor"},
        {R"({"type": "Normalize", "mean": [0.5], "std": [0.5]})", bytes,
         "Normalize has mean and std of 1 channel, the image has 3"},
        {R"({"type": "RandomHorizontalFlip", "p": 1})", some_image(4, 5, 5), "[4, 5, 5] Byte"},
        {R"({"type": "ToTensor"})", bytes.to(at::kLong), "[3, 30, 40] Long"},
        {R"({"type": "ToTensor"})", bytes[0], "[30, 40] Byte"},
        {R"({"type": "ToTensor"})", some_image(3, 0, 5), "empty"},
    };
    for (const Case& row : table) {
        const std::string error = error_of([&] { apply(row.json, sample_of(row.image)); });
        EXPECT_TRUE(contains(error, row.complaint)) << row.json << "\n" << error;
    }
    Philox random(1);
    Sample text;
    text.set("text", std::string("no image"));
    EXPECT_EQ(error_of([&] { make<Transform>(R"({"type": "ToTensor"})")->apply(text, random); }),
              "the sample has no field \"image\" or \"input\"; its fields: text");
}

TEST(Probabilities, DecideHowOften) {
    const Tensor image = some_image(3, 5, 6), flipped = image.flip(-1);
    for (const double p : {0.0, 0.25, 1.0}) {
        int changed = 0;
        for (uint64_t seed = 0; seed < 400; ++seed)
            changed += apply(concat(R"({"type": "RandomHorizontalFlip", "p": )", p, "}"),
                             sample_of(image), Philox(seed))
                           .equal(flipped);
        EXPECT_NEAR(changed, 400 * p, 40 * (p > 0 && p < 1)) << p;
    }
}

}  // namespace
}  // namespace ailab
