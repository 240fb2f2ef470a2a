// Where geometric transforms move boxes, keypoints and masks.
#include "ailab/geometry.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ailab/transform.hpp"
#include "core/data/fake_samples.hpp"

namespace ailab {
namespace {

using test::error_of;

constexpr ImageSize size{40, 60};

Tensor row(std::vector<double> numbers) {
    const auto count = int64_t(numbers.size());
    return at::tensor(numbers, at::kDouble).view({1, count});
}

TEST(Geometry, MovesPlacesAsItsName) {
    struct Case {
        Geometry geometry;
        ImageSize output;
        std::array<double, 2> place;  // of x = 10, y = 5
        bool is_mirrored;
    };
    const std::vector<Case> table = {
        {Geometry(size), size, {10, 5}, false},
        {Geometry::crop(size, {2, 3, 20, 30}), {20, 30}, {7, 3}, false},
        {Geometry::crop(size, {-2, -3, 44, 66}), {44, 66}, {13, 7}, false},
        {Geometry::flip_horizontally(size), size, {50, 5}, true},
        {Geometry::flip_vertically(size), size, {10, 35}, true},
        {Geometry::resize(size, {20, 180}), {20, 180}, {30, 2.5}, false},
        {Geometry::affine(size, {0, 1, 2, -1, 0, 60}, {60, 40}), {60, 40}, {7, 50}, false},
        {Geometry::flip_horizontally(size).then(Geometry::flip_vertically(size)),
         size,
         {50, 35},
         false},
    };
    for (const Case& c : table) {
        EXPECT_TRUE(c.geometry.input() == size);
        EXPECT_TRUE(c.geometry.output() == c.output);
        EXPECT_EQ(c.geometry.apply(10, 5), c.place);
        EXPECT_EQ(c.geometry.is_mirrored(), c.is_mirrored);
        const auto [x, y] = c.geometry.inverse().apply(c.place[0], c.place[1]);
        EXPECT_NEAR(x, 10, 1e-12);
        EXPECT_NEAR(y, 5, 1e-12);
        EXPECT_TRUE(c.geometry.inverse().output() == size);
    }
}

TEST(Geometry, FollowsOneAnother) {
    const Geometry both =
        Geometry::crop(size, {2, 3, 20, 30}).then(Geometry::resize({20, 30}, {40, 90}));
    EXPECT_EQ(both.apply(10, 5), (std::array{21.0, 6.0}));
    EXPECT_EQ(error_of([&] { both.then(Geometry(size)); }),
              "a geometry of images of 40 x 60 pixels cannot follow one that makes 40 x 90");
    EXPECT_EQ(error_of([] {
                  Geometry::affine(size, {0, 0, 0, 0, 0, 0}, size).inverse();
              }),
              "a geometry that leaves nothing of the image cannot be undone");
}

TEST(Geometry, ABoxHoldsItsMovedCornersWithinTheImage) {
    const double s = std::sqrt(0.5);
    const Geometry turned = Geometry::affine(size, {s, -s, 20, s, s, 0}, size);
    EXPECT_TRUE(turned.apply_to_boxes(row({10, 0, 20, 10}))
                    .allclose(row({20, 10 * s, 20 + 20 * s, 30 * s})));
    const Geometry crop = Geometry::crop(size, {10, 10, 20, 20});
    EXPECT_TRUE(crop.apply_to_boxes(row({0, 15, 100, 18})).equal(row({0, 5, 20, 8})));
    EXPECT_EQ(crop.apply_to_boxes(at::zeros({0, 4})).sizes(), at::IntArrayRef({0, 4}));
    EXPECT_EQ(crop.apply_to_boxes(at::zeros({2, 4})).scalar_type(), at::kFloat);
    EXPECT_THROW(crop.apply_to_boxes(at::zeros({4})), Error);
    EXPECT_THROW(crop.apply_to_boxes(at::zeros({1, 4}, at::kLong)), Error);
}

// ---- samples

Tensor places() {
    return at::arange(size.height * size.width).view({size.height, size.width});
}

FieldSpecs everything() {
    return {{.name = "photo", .role = FieldRole::image},
            {.name = "depth", .role = FieldRole::image},
            {.name = "regions", .role = FieldRole::mask},
            {.name = "boxes", .role = FieldRole::boxes},
            {.name = "each", .role = FieldRole::mask, .belongs_to = "boxes"},
            {.name = "classes", .role = FieldRole::label, .belongs_to = "boxes"},
            {.name = "joints",
             .role = FieldRole::keypoints,
             .belongs_to = "boxes",
             .flip_indices = {1, 0}},
            {.name = "corner", .role = FieldRole::keypoints},
            {.name = "weight"}};
}

/// Two boxes; of each a mask, a class and two joints.
Sample full_sample() {
    Sample sample;
    sample.specs = std::make_shared<const FieldSpecs>(everything());
    sample.set("photo", at::stack({places(), places() + 1, places() + 2}));
    sample.set("depth", image_of(places().unsqueeze(0)));
    sample.set("regions", places());
    sample.set("boxes", at::cat({row({1, 2, 8, 9}), row({20, 12, 50, 30})}));
    sample.set("each", at::stack({places(), places().neg()}));
    sample.set("classes", at::tensor({7, 8}, at::kLong));
    sample.set("joints", at::tensor({2.0, 3.0, 2.0, 4.0, 5.0, 1.0,  //
                                     21.0, 13.0, 2.0, 49.0, 29.0, 1.0})
                             .view({2, 2, 3}));
    sample.set("corner", row({0.5, 0.5}));
    sample.set("weight", at::scalar_tensor(3));
    return sample;
}

Movement flip() {
    const auto pixels = [](const Tensor& image) { return image.flip(-1); };
    return {.geometry = Geometry::flip_horizontally(size), .image = pixels, .mask = pixels};
}

TEST(MoveFields, MovesEachByItsRole) {
    Sample sample = full_sample();
    move_fields(sample, flip());
    const Tensor flipped = places().flip(-1);
    EXPECT_TRUE(sample.tensor("photo").equal(at::stack({flipped, flipped + 1, flipped + 2})));
    EXPECT_TRUE(sample.tensor("depth").equal(flipped.unsqueeze(0)));
    EXPECT_TRUE(sample.tensor("regions").equal(flipped));
    EXPECT_TRUE(sample.tensor("each").equal(at::stack({flipped, flipped.neg()})));
    EXPECT_TRUE(
        sample.tensor("boxes").equal(at::cat({row({52, 2, 59, 9}), row({10, 12, 40, 30})})));
    EXPECT_TRUE(sample.tensor("classes").equal(at::tensor({7, 8}, at::kLong)));
    EXPECT_TRUE(sample.tensor("joints").equal(at::tensor({56.0, 5.0, 1.0, 58.0, 3.0, 2.0,  //
                                                          11.0, 29.0, 1.0, 39.0, 13.0, 2.0})
                                                  .view({2, 2, 3})))
        << "left and right are changed";
    EXPECT_TRUE(sample.tensor("corner").equal(row({59.5, 0.5})));
    EXPECT_EQ(sample.tensor("weight").item<double>(), 3);
}

TEST(MoveFields, DropsABoxOfWhichNothingIsLeftWithWhatBelongsToIt) {
    Sample sample = full_sample();
    const Region part = {10, 10, 25, 30};
    move_fields(sample, {.geometry = Geometry::crop(size, part), .part = part});
    const auto cut = [&](const Tensor& t) { return t.narrow(-2, 10, 25).narrow(-1, 10, 30); };
    EXPECT_TRUE(sample.tensor("depth").equal(cut(places().unsqueeze(0))));
    EXPECT_TRUE(sample.tensor("boxes").equal(row({10, 2, 30, 20})));
    EXPECT_TRUE(sample.tensor("classes").equal(at::tensor({8}, at::kLong)));
    EXPECT_TRUE(sample.tensor("each").equal(cut(places().neg().unsqueeze(0))));
    EXPECT_TRUE(
        sample.tensor("joints").equal(at::tensor({11.0, 3.0, 2.0, 0.0, 0.0, 0.0}).view({1, 2, 3})))
        << "one has left the image and is not there any more";
    EXPECT_TRUE(sample.tensor("corner").equal(row({-9.5, -9.5})))
        << "without a visibility there is no other way to say it";
}

TEST(MoveFields, AnImageWithoutBoxesIsAnImage) {
    Sample sample = full_sample();
    sample.set("boxes", at::zeros({0, 4}));
    sample.set("each", at::zeros({0, size.height, size.width}, at::kLong));
    sample.set("classes", at::zeros({0}, at::kLong));
    sample.set("joints", at::zeros({0, 2, 3}));
    move_fields(sample, flip());
    EXPECT_EQ(sample.tensor("boxes").sizes(), at::IntArrayRef({0, 4}));
    EXPECT_EQ(sample.tensor("joints").sizes(), at::IntArrayRef({0, 2, 3}));
    EXPECT_EQ(sample.tensor("each").sizes(), at::IntArrayRef({0, 40, 60}));
}

/// Labels that nobody says are the boxes' would be those of other boxes once one is gone.
TEST(MoveFields, RefusesLabelsOfBoxesThatAreNotSaidToBeTheirs) {
    struct Row {
        const char* what;
        int64_t boxes, labels;
        FieldRole role;
        bool leaves;  // one box the image
        bool refused;
    };
    const Row rows[] = {
        {"a label a box", 2, 2, FieldRole::label, true, true},
        {"all boxes stay", 2, 2, FieldRole::label, false, false},
        {"labels of the image", 2, 3, FieldRole::label, true, false},
        {"one number", 1, 1, FieldRole::label, true, false},
        {"no labels", 2, 2, FieldRole::other, true, false},
    };
    for (const Row& row : rows) {
        Sample sample;
        sample.specs = std::make_shared<const FieldSpecs>(
            FieldSpecs{{.name = "image", .role = FieldRole::image},
                       {.name = "boxes", .role = FieldRole::boxes},
                       {.name = "labels", .role = row.role}});
        sample.set("image", places().unsqueeze(0));
        at::Tensor boxes = at::tensor({1.0, 2.0, 9.0, 9.0}).expand({row.boxes, 4}).clone();
        if (row.leaves) boxes[0] = at::tensor({50.0, 30.0, 58.0, 38.0});
        sample.set("boxes", boxes);
        sample.set("labels", at::arange(row.labels));
        const std::string error = error_of([&] {
            move_fields(sample, {.geometry = Geometry::crop(size, {0, 0, 20, 20}),
                                 .part = Region{0, 0, 20, 20}});
        });
        EXPECT_EQ(error,
                  row.refused
                      ? "the field \"labels\" has a row for each of the 2 boxes of \"boxes\", of "
                        "which some have left the image: let its field_specs() say belongs_to "
                        "\"boxes\", or role other where it is not theirs"
                      : "")
            << row.what;
    }
}

TEST(MoveFields, RefusesWhatWouldStayBehind) {
    for (const char* name : {"boxes", "bboxes", "keypoints", "semantic", "instance", "masks"}) {
        Sample sample;
        sample.set("image", places().unsqueeze(0));
        sample.set(name, at::zeros({1, 4}));
        const std::string error = error_of([&] { move_fields(sample, flip()); });
        EXPECT_TRUE(error.starts_with(concat("the field \"", name,
                                             "\" cannot be moved with the "
                                             "image: the data set does not "
                                             "say what it is")))
            << error;
        EXPECT_TRUE(sample.tensor("image").equal(places().unsqueeze(0))) << "nothing has moved";
        EXPECT_EQ(field_on_image(sample), name);
        sample.specs = std::make_shared<const FieldSpecs>(
            FieldSpecs{{.name = name, .role = FieldRole::other}});
        move_fields(sample, flip());
        EXPECT_EQ(field_on_image(sample), "");
    }
    Sample sample = full_sample();
    sample.set("depth", at::zeros({1, 40, 61}));
    EXPECT_EQ(error_of([&] { move_fields(sample, flip()); }),
              "the depth is 40 x 61 pixels, the image 40 x 60");
}

}  // namespace
}  // namespace ailab
