// Where crops lie.
#include <gtest/gtest.h>

#include "some_samples.hpp"

namespace ailab {
namespace {

using test::make;

/// The parts of an image of height x width that `draws` crops asked for.
std::vector<Region> parts(const std::string& json, int64_t height, int64_t width, int draws) {
    const auto transform = make<Transform>(json);
    auto image = std::make_shared<test::WatchedImage>(test::some_image(3, height, width));
    for (int i = 0; i < draws; ++i) {
        Sample sample;
        sample.set("input", ImagePtr(image));
        Philox random(7, 0, uint64_t(i));
        transform->apply(sample, random);
    }
    return image->regions;
}

TEST(CenterCrop, IsInTheMiddleRoundedToEven) {
    struct Case {
        int64_t size, top;
    };
    for (const Case& row : {Case{10, 0}, {9, 0}, {8, 1}, {7, 2}, {6, 2}, {5, 2}, {3, 4}}) {
        const auto part =
            parts(concat(R"({"type": "CenterCrop", "size": )", row.size, "}"), 10, 10, 1)[0];
        EXPECT_EQ(part.top, row.top) << row.size;
        EXPECT_EQ(part.left, row.top) << row.size;
    }
}

TEST(CenterCrop, PutsASmallImageOnBlack) {
    const Tensor image = at::full({3, 3, 4}, 9, at::kByte);
    const Tensor result =
        test::apply(R"({"type": "CenterCrop", "size": [6, 2]})", test::sample_of(image));
    EXPECT_EQ(result.sizes(), at::IntArrayRef({3, 6, 2}));
    EXPECT_TRUE(result.narrow(1, 1, 3).eq(9).all().item<bool>());
    EXPECT_EQ(result.sum().item<int64_t>(), 9 * 3 * 3 * 2);
}

TEST(RandomCrop, IsEverywhereAlike) {
    std::map<std::pair<int64_t, int64_t>, int> count;
    for (const Region& part : parts(R"({"type": "RandomCrop", "size": [8, 7]})", 10, 8, 1200))
        ++count[{part.top, part.left}];
    ASSERT_EQ(count.size(), 6U);
    for (const auto& [corner, times] : count) EXPECT_NEAR(times, 200, 60);
}

/// The shares of the area, and the logarithms of the ratios, are uniform where the part fits.
TEST(RandomResizedCrop, IsOfUniformAreaAndLogRatio) {
    const auto found =
        parts(R"({"type": "RandomResizedCrop", "size": 8, "scale": [0.1, 0.5]})", 400, 400, 2000);
    double area = 0, log_ratio = 0, top = 0;
    for (const Region& part : found) {
        const double share = double(part.height * part.width) / (400.0 * 400.0);
        const double ratio = double(part.width) / double(part.height);
        EXPECT_GT(share, 0.099);
        EXPECT_LT(share, 0.501);
        EXPECT_GT(ratio, 0.74);
        EXPECT_LT(ratio, 1.35);
        area += share / double(found.size());
        log_ratio += std::log(ratio) / double(found.size());
        top += double(part.top) / double(400 - part.height) / double(found.size());
    }
    EXPECT_NEAR(area, 0.3, 0.01);
    EXPECT_NEAR(log_ratio, 0, 0.02);
    EXPECT_NEAR(top, 0.5, 0.03);
}

TEST(RandomResizedCrop, FallsBackToTheLargestPartInTheMiddle) {
    const std::string whole = R"({"type": "RandomResizedCrop", "size": 8, "scale": [1, 1]})";
    const Region wide = parts(whole, 30, 400, 1)[0];
    EXPECT_EQ(wide.height, 30);
    EXPECT_EQ(wide.width, 40);
    EXPECT_EQ(wide.left, 180);
    const Region high = parts(whole, 400, 30, 1)[0];
    EXPECT_EQ(high.height, 40);
    EXPECT_EQ(high.top, 180);
    const Region pixel = parts(whole, 1, 1, 1)[0];
    EXPECT_EQ(pixel.height * pixel.width, 1);
}

}  // namespace
}  // namespace ailab
