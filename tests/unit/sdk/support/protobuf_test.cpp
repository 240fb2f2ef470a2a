#include "ailab/support/protobuf.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ailab::wire {
namespace {

std::string hex(const std::string& bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        if (!text.empty()) text += ' ';
        text += digits[uint8_t(c) >> 4];
        text += digits[uint8_t(c) & 15];
    }
    return text;
}

// The examples of the format's guide, and what its rules give at the edges.
TEST(Protobuf, EncodesEachKindOfField) {
    const std::vector<double> doubles{1.0, -2.0};
    const std::vector<float> floats{1.0f};
    const std::vector<int64_t> integers{3, 270, 86942};
    const struct {
        std::string name;
        Message message;
        std::string expected;
    } rows[] = {
        {"int32", Message().add(1, 150), "08 96 01"},
        {"zero", Message().add(1, 0), "08 00"},
        {"negative int32", Message().add(1, -1), "08 ff ff ff ff ff ff ff ff ff 01"},
        {"int64", Message().add(2, std::numeric_limits<int64_t>::max()),
         "10 ff ff ff ff ff ff ff ff 7f"},
        {"uint64", Message().add(2, std::numeric_limits<uint64_t>::max()),
         "10 ff ff ff ff ff ff ff ff ff 01"},
        {"uint32", Message().add(2, uint32_t(0xFFFFFFFF)), "10 ff ff ff ff 0f"},
        {"bool", Message().add(3, true), "18 01"},
        {"double", Message().add(1, 1.0), "09 00 00 00 00 00 00 f0 3f"},
        {"float", Message().add(2, 1.0f), "15 00 00 80 3f"},
        {"string", Message().add(2, "testing"), "12 07 74 65 73 74 69 6e 67"},
        {"bytes with a zero", Message().add(2, std::string("a\0b", 3)), "12 03 61 00 62"},
        {"empty string", Message().add(2, ""), "12 00"},
        {"message", Message().add(3, Message().add(1, 150)), "1a 03 08 96 01"},
        {"empty message", Message().add(3, Message()), "1a 00"},
        {"field above 15", Message().add(16, 1), "80 01 01"},
        {"greatest field", Message().add((1 << 29) - 1, 1), "f8 ff ff ff 0f 01"},
        {"packed doubles", Message().packed(6, doubles),
         "32 10 00 00 00 00 00 00 f0 3f 00 00 00 00 00 00 00 c0"},
        {"packed floats", Message().packed(6, floats), "32 04 00 00 80 3f"},
        {"packed integers", Message().packed(6, integers), "32 06 03 8e 02 9e a7 05"},
        {"fields in their order", Message().add(2, 1).add(1, 2), "10 01 08 02"},
    };
    for (const auto& row : rows) EXPECT_EQ(hex(row.message.bytes()), row.expected) << row.name;
}

TEST(Protobuf, LengthsAreVarintsToo) {
    const std::string text(300, 'x');
    EXPECT_EQ(Message().add(1, text).bytes(), "\x0a\xac\x02" + text);
}

TEST(Framing, NumbersAreLittleEndian) {
    std::string out;
    append_u16(out, 0x0102);
    append_u32(out, 0x03040506);
    append_u64(out, 0x0708090A0B0C0D0E);
    EXPECT_EQ(hex(out), "02 01 06 05 04 03 0e 0d 0c 0b 0a 09 08 07");
}

}  // namespace
}  // namespace ailab::wire
