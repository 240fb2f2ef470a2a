#include "tensorboard/histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace ailab::tensorboard {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Histogram, SumsUpWhatIsFinite) {
    const struct {
        std::string name;
        std::vector<float> values;
        double min, max, num, sum, sum_squares;
    } rows[] = {
        {"some", {1, -2, 4}, -2, 4, 3, 3, 21},
        {"one", {0.5}, 0.5, 0.5, 1, 0.5, 0.25},
        {"not finite", {1, std::nanf(""), infinity, -infinity}, 1, 1, 1, 1, 1},
        {"none", {}, 0, 0, 0, 0, 0},
        {"nothing finite", {std::nanf("")}, 0, 0, 0, 0, 0},
    };
    for (const auto& row : rows) {
        const Histogram h = histogram_of(row.values);
        EXPECT_EQ(h.min, row.min) << row.name;
        EXPECT_EQ(h.max, row.max) << row.name;
        EXPECT_EQ(h.num, row.num) << row.name;
        EXPECT_EQ(h.sum, row.sum) << row.name;
        EXPECT_EQ(h.sum_squares, row.sum_squares) << row.name;
        EXPECT_EQ(std::accumulate(h.counts.begin(), h.counts.end(), 0.0), row.num) << row.name;
    }
}

TEST(Histogram, EachNumberLiesInItsBucket) {
    for (const float value : {0.0f, 1e-13f, -1e-13f, 1e-12f, 0.001f, -0.001f, 1.0f, 3.3e19f, 2e20f,
                              -std::numeric_limits<float>::max()}) {
        const Histogram h = histogram_of(std::vector<float>{value});
        ASSERT_EQ(h.counts, (std::vector<double>{0, 1})) << value;
        EXPECT_LE(h.limits[0], value);
        EXPECT_GT(h.limits[1], value);
        // Buckets are a tenth wide, but for those at 0 and beyond 1e20.
        const double size = std::abs(double(value));
        if (size > 1e-12 && size < 9e19) {
            EXPECT_NEAR(h.limits[1] - h.limits[0], 0.1 * size, 0.01 * size) << value;
        }
    }
}

TEST(Histogram, LeavesOutEmptyBucketsButForTheirEdges) {
    // 1 and 1.05 are neighbours or share a bucket; 100 lies far from them.
    const Histogram h = histogram_of(std::vector<float>{1, 1, 1.0f, 100, -1});
    EXPECT_EQ(h.counts, (std::vector<double>{0, 1, 0, 3, 0, 1}));
    EXPECT_TRUE(std::is_sorted(h.limits.begin(), h.limits.end()));
    EXPECT_LE(h.limits[4], 100);
    EXPECT_GT(h.limits[4], 90);
}

}  // namespace
}  // namespace ailab::tensorboard
