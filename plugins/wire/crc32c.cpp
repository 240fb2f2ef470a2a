#include "crc32c.hpp"

#include <array>
#include <bit>

namespace ailab::wire {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
        table[i] = crc;
    }
    return table;
}

constexpr std::array<uint32_t, 256> table = make_table();

}  // namespace

uint32_t crc32c(std::string_view data) {
    uint32_t crc = ~uint32_t(0);
    for (const char c : data) crc = (crc >> 8) ^ table[(crc ^ uint8_t(c)) & 0xFF];
    return ~crc;
}

uint32_t masked_crc32c(std::string_view data) {
    return std::rotr(crc32c(data), 15) + 0xA282EAD8u;
}

}  // namespace ailab::wire
