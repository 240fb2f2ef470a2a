#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <vector>

#include "ailab/error.hpp"
#include "ailab/image.hpp"

namespace ailab {
namespace {

uint32_t big_endian(const std::string& bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | uint8_t(bytes[at + i]);
    return value;
}

TEST(Png, HoldsThePixels) {
    const struct {
        int channels;
        char color_type;
    } rows[] = {{1, 0}, {3, 2}, {4, 6}};
    for (const auto& row : rows) {
        const int height = 2, width = 3;
        std::vector<uint8_t> pixels(size_t(height * width * row.channels));
        for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = uint8_t(7 * i);
        const at::Tensor rows_of_pixels = at::from_blob(
            pixels.data(), {height, width, row.channels}, at::TensorOptions(at::kByte));
        const std::string file = encode_png(rows_of_pixels.permute({2, 0, 1}));
        EXPECT_EQ(file.substr(0, 8), "\x89PNG\r\n\x1a\n");
        EXPECT_EQ(file.substr(8, 8), std::string("\0\0\0\x0dIHDR", 8));
        EXPECT_EQ(big_endian(file, 16), uint32_t(width));
        EXPECT_EQ(big_endian(file, 20), uint32_t(height));
        EXPECT_EQ(file.substr(24, 5), std::string({8, row.color_type, 0, 0, 0}));
        // The checksums of all chunks, and what is in the second.
        std::vector<std::string> chunks;
        for (size_t at = 8; at < file.size();) {
            const size_t size = big_endian(file, at);
            const std::string body = file.substr(at + 4, 4 + size);
            EXPECT_EQ(big_endian(file, at + 8 + size),
                      crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size())));
            chunks.push_back(body);
            at += 12 + size;
        }
        ASSERT_EQ(chunks.size(), 3u);
        EXPECT_EQ(chunks[2], "IEND");
        std::string lines(size_t(height * (width * row.channels + 1)), 'x');
        uLongf size = uLongf(lines.size());
        ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(lines.data()), &size,
                             reinterpret_cast<const Bytef*>(chunks[1].data() + 4),
                             uLong(chunks[1].size() - 4)),
                  Z_OK);
        ASSERT_EQ(size, lines.size());
        std::string expected;
        for (size_t i = 0; i < pixels.size(); ++i) {
            if (i % size_t(width * row.channels) == 0) expected += '\0';
            expected += char(pixels[i]);
        }
        EXPECT_EQ(lines, expected);
    }
}

TEST(Png, RefusesWhatIsNoImage) {
    const at::TensorOptions bytes(at::kByte);
    EXPECT_THROW(encode_png(at::zeros({2, 1, 3}, bytes)), Error);
    EXPECT_THROW(encode_png(at::zeros({2, 3}, bytes)), Error);
    EXPECT_THROW(encode_png(at::zeros({1, 0, 3}, bytes)), Error);
    EXPECT_THROW(encode_png(at::zeros({1, 2, 3}, at::kFloat)), Error);
    EXPECT_THROW(encode_png(at::Tensor()), Error);
}

}  // namespace
}  // namespace ailab
