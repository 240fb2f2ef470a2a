// What lies on an image moves with its pixels, whichever transform moves them.
#include <gtest/gtest.h>

#include "some_samples.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

constexpr int64_t height = 60, width = 80;

const std::vector<std::string> geometric = {
    R"({"type": "Resize", "size": [90, 50], "antialias": false})",
    R"({"type": "Resize", "size": 70, "antialias": false})",
    R"({"type": "CenterCrop", "size": [40, 50]})",
    R"({"type": "CenterCrop", "size": [70, 50]})",
    R"({"type": "RandomCrop", "size": 50, "padding": [4, 5, 6, 7]})",
    R"({"type": "RandomCrop", "size": [64, 90], "pad_if_needed": true})",
    R"({"type": "RandomResizedCrop", "size": 90, "antialias": false, "scale": [0.3, 0.9]})",
    R"({"type": "RandomHorizontalFlip", "p": 1})",
    R"({"type": "RandomVerticalFlip", "p": 1})",
    R"({"type": "Pad", "padding": [1, 2, 3, 4]})",
    R"({"type": "RandomRotation", "degrees": 40, "interpolation": "bilinear"})",
    R"({"type": "RandomRotation", "degrees": 40, "expand": true, "interpolation": "bilinear"})",
    R"({"type": "RandomRotation", "degrees": [90, 90], "expand": true})",
    R"({"type": "RandomRotation", "degrees": [270, 270], "expand": true})",
    R"({"type": "RandomRotation", "degrees": [180, 180]})",
    R"({"type": "RandomRotation", "degrees": 40, "center": [7, 9], "interpolation": "bilinear"})",
    R"({"type": "RandomAffine", "degrees": 20, "translate": [0.2, 0.2], "scale": [0.7, 1.3],
        "shear": [-9, 9, -9, 9], "interpolation": "bilinear"})",
};

/// Of each pixel x and y of its middle, and 1; a box and a point that say where they are too.
Sample placed_sample() {
    const Tensor x = (at::arange(width) + 0.5).expand({height, width});
    const Tensor y = (at::arange(height) + 0.5).unsqueeze(1).expand({height, width});
    Sample sample;
    sample.specs = std::make_shared<const FieldSpecs>(
        FieldSpecs{{.name = "image", .role = FieldRole::image},
                   {.name = "boxes", .role = FieldRole::boxes},
                   {.name = "points", .role = FieldRole::keypoints},
                   {.name = "each", .role = FieldRole::mask, .belongs_to = "boxes"}});
    sample.set("image", at::stack({x, y, at::ones({height, width})}).to(at::kFloat));
    sample.set("boxes",
               at::tensor({0.0F, 0.0F, float(width), float(height), 30.0F, 20.0F, 50.0F, 40.0F})
                   .view({2, 4}));
    sample.set("points", at::tensor({30.0, 25.0, 41.0, 31.0, 40.0, 36.0}).view({3, 2}));
    sample.set("each", at::stack({at::ones({height, width}, at::kLong),
                                  at::full({height, width}, 2, at::kLong)}));
    return sample;
}

/// The map from new places to old ones that the pixels show: [3, 2], of (x, y, 1).
Tensor shown_map(const Tensor& image, double& error) {
    const Tensor inner = at::zeros_like(image[0], at::kBool);
    inner.slice(0, 2, -2).slice(1, 2, -2).fill_(true);  // borders are mixed with what is beyond
    const Tensor at_pixels = inner.logical_and(image[2].eq(1)).nonzero();
    const Tensor rows = at_pixels.select(1, 0), columns = at_pixels.select(1, 1);
    const Tensor places =
        at::stack({columns + 0.5, rows + 0.5, at::ones_like(rows)}, 1).to(at::kDouble);
    const Tensor old =
        image.slice(0, 0, 2).index({at::indexing::Slice(), rows, columns}).t().to(at::kDouble);
    const Tensor map = std::get<0>(at::linalg_lstsq(places, old));
    error = places.matmul(map).sub(old).abs().max().item<double>();
    return map;
}

TEST(FieldsOnImages, AreWhereThePixelsAre) {
    for (const std::string& json : geometric)
        for (uint64_t seed = 0; seed < 5; ++seed) {
            Sample sample = placed_sample();
            const Tensor points = sample.tensor("points").clone();
            Philox random(seed);
            make<Transform>(json)->apply(sample, random);
            double error = 1;
            const Tensor map = shown_map(sample.tensor("image"), error);
            ASSERT_LT(error, 1e-2) << json;
            const Tensor moved = sample.tensor("points");
            const Tensor back = at::cat({moved, at::ones({3, 1}, at::kDouble)}, 1).matmul(map);
            ASSERT_LT(back.sub(points).abs().max().item<double>(), 1e-2) << json;

            // The box in the middle, by its corners; the one around the image ends at its borders.
            const Tensor there =
                at::linalg_inv(at::cat({map, at::tensor({0.0, 0.0, 1.0}).view({3, 1})}, 1));
            const Tensor corners =
                at::tensor({30.0, 20.0, 1.0, 50.0, 20.0, 1.0, 30.0, 40.0, 1.0, 50.0, 40.0, 1.0})
                    .view({4, 3})
                    .matmul(there)
                    .slice(1, 0, 2);
            const Tensor size = at::tensor(
                {double(sample.tensor("image").size(2)), double(sample.tensor("image").size(1))});
            const auto [low, high] = corners.aminmax(0);
            const Tensor expected =
                at::cat({low.clamp_min(0).minimum(size), high.clamp_min(0).minimum(size)});
            const Tensor boxes = sample.tensor("boxes").to(at::kDouble);
            ASSERT_EQ(boxes.size(0), 2) << json;
            EXPECT_LT(boxes[1].sub(expected).abs().max().item<double>(), 2e-2) << json;
            EXPECT_EQ(sample.tensor("each").size(0), 2);
            EXPECT_EQ(sample.tensor("each").size(1), sample.tensor("image").size(1));
            EXPECT_EQ(sample.tensor("each").size(2), sample.tensor("image").size(2));
        }
}

TEST(FieldsOnImages, MoveWithAugmentationsToo) {
    int moved = 0;
    for (const char* json :
         {R"({"type": "AutoAugment"})", R"({"type": "RandAugment"})",
          R"({"type": "TrivialAugmentWide"})",
          R"({"type": "RandomApply", "transforms": [{"type": "RandomAffine", "degrees": 9}]})"})
        for (uint64_t seed = 0; seed < 60; ++seed) {
            // A bright square, and a box around it.
            Sample sample;
            sample.specs = std::make_shared<const FieldSpecs>(
                FieldSpecs{{.name = "image", .role = FieldRole::image},
                           {.name = "square", .role = FieldRole::mask},
                           {.name = "boxes", .role = FieldRole::boxes}});
            const Tensor square = at::zeros({height, width}, at::kLong);
            square.slice(0, 20, 40).slice(1, 30, 50).fill_(1);
            sample.set("image",
                       square.mul(200).to(at::kByte).expand({3, height, width}).contiguous());
            sample.set("square", square);
            const Tensor box = at::tensor({30.0F, 20.0F, 50.0F, 40.0F}).view({1, 4});
            sample.set("boxes", box);
            Philox random(seed);
            make<Transform>(json)->apply(sample, random);
            const Tensor at_pixels = sample.tensor("square").nonzero();
            if (at_pixels.size(0) == 0) continue;
            const auto [low, high] = at_pixels.aminmax(0);
            const Tensor seen = at::cat({low.flip(0), high.flip(0) + 1}).to(at::kFloat);
            ASSERT_EQ(sample.tensor("boxes").size(0), 1) << json;
            EXPECT_LT(sample.tensor("boxes")[0].sub(seen).abs().max().item<float>(), 1.6) << json;
            moved += !sample.tensor("boxes").equal(box);
        }
    EXPECT_GT(moved, 40);
}

TEST(FieldsOnImages, AreRefusedByNameWhereTheyCannotMove) {
    Philox random(1);
    Sample undeclared = placed_sample();
    undeclared.specs = nullptr;
    for (const std::string& json : geometric) {
        const std::string error =
            error_of([&] { make<Transform>(json)->apply(undeclared, random); });
        EXPECT_TRUE(contains(error, "the field \"boxes\" cannot be moved with the image")) << error;
    }
    Sample sample = placed_sample();
    sample.tensor("image") = sample.tensor("image").to(at::kByte);
    EXPECT_TRUE(
        contains(error_of([&] { make<Transform>(R"({"type": "AugMix"})")->apply(sample, random); }),
                 "there is no boxes for them"));
}

/// Whichever name says, or is declared to be, what lies on the image.
TEST(FieldsOnImages, AreRefusedByNameWhereImagesAreMixed) {
    const auto as = [](const char* name, FieldRole role) {
        return FieldSpecs{{.name = name, .role = role}};
    };
    const std::vector<std::pair<const char*, FieldSpecs>> rows = {
        {"mask", {}},
        {"boxes", {}},
        {"bboxes", {}},
        {"keypoints", {}},
        {"semantic", {}},
        {"masks", {}},
        {"lesion", as("lesion", FieldRole::mask)},
        {"cars", as("cars", FieldRole::boxes)},
        {"joints", as("joints", FieldRole::keypoints)},
        {"masks", as("masks", FieldRole::other)},  // not what its name says: taken
        {"photo", as("photo", FieldRole::image)},  // the image itself, another being left as it is
    };
    for (const auto& [name, specs] : rows) {
        Batch batch({{"image", at::arange(4, at::kFloat).view({2, 1, 1, 2})},
                     {"label", at::tensor({0, 1}, at::kLong)},
                     {name, at::arange(4, at::kFloat).add(1).view({2, 1, 1, 2})}});
        batch.size = 2;
        batch.specs = std::make_shared<const FieldSpecs>(specs);
        Batch before;
        for (const char* field : {"image", "label", name})
            before.set(field, batch.tensor(field).narrow(0, 1, 1).clone());
        const bool is_image = std::string(name) == "photo";
        const Tensor image = batch.tensor("image").clone(), other = batch.tensor(name).clone();
        const std::string error = error_of([&] {
            make<Transform>(R"({"type": "Mixup", "num_classes": 2})")
                ->apply_batch(batch, before, Philox(1));
        });
        if (is_image || (!specs.empty() && specs[0].role == FieldRole::other)) {
            EXPECT_EQ(error, "") << name;
            EXPECT_EQ(batch.tensor("image").equal(image), is_image);
            EXPECT_EQ(batch.tensor(name).equal(other), !is_image);
        } else {
            EXPECT_EQ(error, concat("mixing images has no meaning for the field \"", name, "\""));
        }
    }
}

/// A data set may call its image as it likes.
TEST(FieldsOnImages, AnImageMayHaveAnotherName) {
    Sample sample;
    sample.specs =
        std::make_shared<const FieldSpecs>(FieldSpecs{{.name = "photo", .role = FieldRole::image}});
    const Tensor pixels = test::some_image(3, 6, 8);
    sample.set("photo", pixels);
    sample.set("input", at::ones({5}));
    Philox random(1);
    make<Transform>(R"({"type": "RandomVerticalFlip", "p": 1})")->apply(sample, random);
    EXPECT_TRUE(sample.tensor("photo").equal(pixels.flip(1)));
    const auto last = make<Transform>(R"({"type": "Normalize", "mean": [0.5], "std": [0.5]})");
    EXPECT_TRUE(contains(error_of([&] { last->apply(sample, random); }), "the image has 3"));
    make<Transform>(R"({"type": "ToTensor"})")->apply(sample, random);
    EXPECT_EQ(sample.tensor("photo").scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace ailab
