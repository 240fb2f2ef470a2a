#include "support/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ailab {
namespace {

struct Case {
    std::string data;
    uint32_t crc;
};

// RFC 3720, B.4, and the usual check value.
const std::vector<Case> known = {
    {"", 0},
    {"123456789", 0xE3069283},
    {std::string(32, '\0'), 0x8A9136AA},
    {std::string(32, '\xFF'), 0x62A8AB43},
};

TEST(Crc32c, HasTheStandardsValues) {
    for (const Case& c : known) {
        EXPECT_EQ(crc32c(c.data.data(), c.data.size()), c.crc) << c.data;
        EXPECT_EQ(crc32c_by_table(c.data.data(), c.data.size()), c.crc) << c.data;
    }
}

TEST(Crc32c, GoesOnFromAnyPlace) {
    std::string data;
    for (int i = 0; i < 1000; ++i) data += char(i * 7 + i / 13);
    const uint32_t whole = crc32c_by_table(data.data(), data.size());
    for (size_t cut = 0; cut <= data.size(); ++cut) {
        const uint32_t first = crc32c(data.data(), cut);
        ASSERT_EQ(crc32c(data.data() + cut, data.size() - cut, first), whole) << "cut at " << cut;
    }
}

}  // namespace
}  // namespace ailab
