#include "ailab/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace ailab {
namespace {

// The known-answer vectors that the authors of Philox publish for philox4x32-10.
TEST(Philox, KnownAnswers) {
    struct Case {
        std::array<uint32_t, 4> counter;
        std::array<uint32_t, 2> key;
        std::array<uint32_t, 4> expected;
    };
    const Case cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (const Case& c : cases) {
        std::array<uint32_t, 4> out{};
        Philox::block(c.counter.data(), c.key.data(), out.data());
        EXPECT_EQ(out, c.expected);
    }
}

TEST(Philox, EqualKeysGiveEqualNumbersAndOthersDoNot) {
    Philox a(1, 2, 3), b(1, 2, 3);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
    EXPECT_NE(Philox(1, 2, 3).next64(), Philox(1, 2, 4).next64());
    EXPECT_NE(Philox(1, 2, 3).next64(), Philox(1, 3, 3).next64());
    EXPECT_NE(Philox(1, 2, 3).next64(), Philox(2, 2, 3).next64());
}

TEST(Philox, UniformLiesInTheHalfOpenUnitInterval) {
    Philox random(7);
    double sum = 0;
    for (int i = 0; i < 100000; ++i) {
        const double u = random.uniform();
        ASSERT_GE(u, 0);
        ASSERT_LT(u, 1);
        sum += u;
    }
    EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

TEST(Philox, BelowReachesEveryNumberAlike) {
    Philox random(7);
    std::array<int, 6> counts{};
    for (int i = 0; i < 60000; ++i) ++counts[random.below(6)];
    for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
    EXPECT_EQ(random.below(1), 0u);
}

TEST(Philox, NormalHasItsMeanAndDeviation) {
    Philox random(7);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; ++i) {
        const double x = random.normal(3, 2);
        sum += x;
        squares += x * x;
    }
    const double mean = sum / 100000;
    EXPECT_NEAR(mean, 3, 0.05);
    EXPECT_NEAR(squares / 100000 - mean * mean, 4, 0.1);
}

TEST(Permutation, HoldsEachNumberOnceAndDependsOnSeedAndEpochAlone) {
    const auto order = permutation(1000, 42, 3);
    EXPECT_EQ(order, permutation(1000, 42, 3));
    EXPECT_NE(order, permutation(1000, 42, 4));
    EXPECT_NE(order, permutation(1000, 43, 3));
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int64_t> all(1000);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(sorted, all);
    EXPECT_TRUE(permutation(0, 1, 1).empty());
    EXPECT_EQ(permutation(1, 1, 1), std::vector<int64_t>{0});
}

// A checkpoint of today must resume with the same order tomorrow: the numbers are part of the
// format.
TEST(Permutation, IsFixedForEver) {
    const std::vector<int64_t> first = permutation(10, 42, 0);
    EXPECT_EQ(first, (std::vector<int64_t>{3, 1, 9, 8, 5, 7, 6, 2, 0, 4}));
}

}  // namespace
}  // namespace ailab
