// The resampler's loops for the vector unit against those for every machine.
#include "pixels/resample.hpp"

#include <gtest/gtest.h>

#include "pixels/resample_loops.hpp"
#include "some_samples.hpp"

namespace ailab::image {
namespace {

TEST(ResampleLoops, GiveTheSameForTwoRowsAsForOne) {
    for (const int64_t from : {1, 2, 7, 40, 500})
        for (const int64_t to : {1, 3, 8, 64, 333})
            for (const auto mode : {Interpolation::bilinear, Interpolation::bicubic})
                for (const bool antialias : {true, false}) {
                    const ResampleWeights weights = resample_weights(from, to, mode, antialias);
                    const int64_t bytes = from * 3, room = bytes + read_beyond(weights);
                    const Tensor rows = test::some_image(1, 2, room).contiguous();
                    const auto* a = rows.const_data_ptr<uint8_t>();
                    std::vector<uint8_t> one(size_t(to * 6), 1), two(size_t(to * 6), 2);
                    resample_two_rows(a, a + room, 3, weights, two.data(), two.data() + to * 3);
                    resample_row(a, 3, weights, one.data());
                    resample_row(a + room, 3, weights, one.data() + to * 3);
                    ASSERT_EQ(one, two) << from << " to " << to;
                }
}

TEST(ResampleLoops, SumRowsOfAnyLength) {
    const std::vector<int16_t> weights = {9000, -1500, 8000, 884, 0, 0, 0, 0};
    for (int64_t bytes = 1; bytes < 100; ++bytes)
        for (int32_t count = 1; count <= 4; ++count) {
            std::vector<int16_t> used(weights.begin(), weights.begin() + count);
            used.resize(weights.size());
            const Tensor rows = test::some_image(1, count, bytes).contiguous();
            const auto* from = rows.const_data_ptr<uint8_t>();
            std::vector<uint8_t> expected, sums(static_cast<size_t>(bytes));
            for (int64_t i = 0; i < bytes; ++i) {
                int sum = 1 << 13;
                for (int32_t k = 0; k < count; ++k) sum += used[size_t(k)] * from[k * bytes + i];
                expected.push_back(uint8_t(std::clamp(sum >> 14, 0, 255)));
            }
            sum_rows(from, bytes, used.data(), count, 14, sums.data());
            ASSERT_EQ(sums, expected) << bytes << " bytes, " << count << " rows";
        }
}

/// Rows of a crop lie apart, and after the last one there is nothing to read.
TEST(Resample, TakesACropAsItsCopy) {
    const Tensor image = test::some_image(3, 40, 50);
    for (const auto& [top, left] : {std::pair{0, 0}, {5, 7}, {20, 30}}) {
        const Tensor crop = image.narrow(1, top, 20).narrow(2, left, 20);
        const Tensor copy = image_of_rows(crop.permute({1, 2, 0}).clone().contiguous());
        const Tensor planes = crop.contiguous();
        const Tensor result = resample_bytes(crop, 9, 31, Interpolation::bilinear, true);
        EXPECT_TRUE(result.equal(resample_bytes(copy, 9, 31, Interpolation::bilinear, true)));
        EXPECT_TRUE(result.equal(resample_bytes(planes, 9, 31, Interpolation::bilinear, true)));
    }
}

}  // namespace
}  // namespace ailab::image
