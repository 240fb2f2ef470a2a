// The decoders of image files.
#include <zlib.h>

#include <random>

#include "plugins/image/image_target.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

void image(const std::string& input) {
    test::decode_to_the_end(input);
}

/// Checksums of PNG's chunks.
void repair_image(std::string& input) {
    constexpr size_t signature = 8, around = 12;  // length, type and checksum
    if (!input.starts_with("\x89PNG")) return;
    const auto big_endian = [&](size_t at) {
        return size_t(uint8_t(input[at])) << 24 | size_t(uint8_t(input[at + 1])) << 16 |
               size_t(uint8_t(input[at + 2])) << 8 | size_t(uint8_t(input[at + 3]));
    };
    for (size_t at = signature; at + around <= input.size();) {
        const size_t length = big_endian(at);
        if (length > input.size() - at - around) return;
        const auto sum =
            uint32_t(crc32(0, reinterpret_cast<const Bytef*>(&input[at + 4]), uInt(length + 4)));
        for (size_t i = 0; i < 4; ++i) input[at + 8 + length + i] = char(sum >> (24 - 8 * i));
        at += around + length;
    }
}

std::string change_image(const std::string& input, unsigned seed) {
    std::mt19937_64 random(seed);
    return test::mutate_image(input, random);
}

std::vector<std::string> seeds() {
    return test::image_seeds(5, 9);
}

const Registration image_target({.name = "image",
                                 .run = image,
                                 .repair = repair_image,
                                 .change = change_image,
                                 .seeds = seeds});

}  // namespace
}  // namespace ailab::fuzz
