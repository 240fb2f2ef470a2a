// The fuzz target's inputs (tests/fuzz/images.cpp), for a few seconds.
#include <gtest/gtest.h>

#include "image_target.hpp"

namespace ailab::test {
namespace {

TEST(Mutations, EndInPixelsOrBrokenSample) {
    const std::vector<std::string> seeds = image_seeds();
    for (const std::string& seed : seeds) EXPECT_TRUE(decode_to_the_end(seed));
    size_t accepted = 0;
    constexpr uint64_t inputs = 3000;
    for (uint64_t i = 0; i < inputs; ++i) {
        std::mt19937_64 random(i);
        const std::string file = mutate_image(seeds[random() % seeds.size()], random);
        ASSERT_NO_THROW(accepted += decode_to_the_end(file)) << "input " << i;
    }
    // Else the mutations would test the headers alone.
    EXPECT_GT(accepted, inputs / 4);
    EXPECT_LT(accepted, inputs);
}

}  // namespace
}  // namespace ailab::test
