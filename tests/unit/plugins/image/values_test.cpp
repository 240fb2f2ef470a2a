// What pixels are. tests/interop/test_images.py compares with Pillow on photographs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "data/loading.hpp"
#include "decoding.hpp"
#include "encoders.hpp"

namespace ailab::test {
namespace {

std::string decoded(const std::string& file, ImageMode mode) {
    return text_of(open(file, mode)->pixels());
}

at::Tensor numbers(std::vector<int32_t> values, int64_t height, int64_t width, int64_t channels) {
    return at::tensor(values, at::kInt).view({height, width, channels});
}

TEST(PngPixels, OfEachKind) {
    const struct {
        PngKind kind;
        at::Tensor rows;
        std::string rgb, gray, unchanged;
    } cases[] = {
        {{"gray1", 0, 1}, numbers({0, 1}, 1, 2, 1), "0,0,0 255,255,255", "0 255", "0 1"},
        {{"gray2", 0, 2}, numbers({1, 3}, 1, 2, 1), "85,85,85 255,255,255", "85 255", "85 255"},
        {{"gray4", 0, 4}, numbers({1, 15}, 1, 2, 1), "17,17,17 255,255,255", "17 255", "17 255"},
        {{"gray8", 0, 8}, numbers({0, 7}, 2, 1, 1), "0,0,0 | 7,7,7", "0 | 7", "0 | 7"},
        // The high byte: Pillow cuts grey of 16 bits off at 255, which leaves little of it.
        {{"gray16", 0, 16},
         numbers({300, 65535}, 1, 2, 1),
         "1,1,1 255,255,255",
         "1 255",
         "300 65535"},
        {{"rgb8", 2, 8}, numbers({10, 20, 30}, 1, 1, 3), "10,20,30", "18", "10,20,30"},
        {{"rgb16", 2, 16},
         numbers({2560, 5375, 7680}, 1, 1, 3),
         "10,20,30",
         "18",
         "2560,5375,7680"},
        {{"palette2", 3, 2}, numbers({0, 3}, 1, 2, 1), "0,255,0 3,252,21", "150 151", "0 3"},
        {{"palette8", 3, 8}, numbers({200}, 1, 1, 1), "200,55,120", "106", "200"},
        {{"gray_alpha8", 4, 8}, numbers({7, 128}, 1, 1, 2), "7,7,7", "7", "7,128"},
        {{"rgba8", 6, 8}, numbers({10, 20, 30, 0}, 1, 1, 4), "10,20,30", "18", "10,20,30,0"},
    };
    for (const auto& c : cases)
        for (const bool interlaced : {false, true}) {
            PngKind kind = c.kind;
            kind.interlaced = interlaced;
            const std::string file = encode_png_kind(c.rows, kind);
            EXPECT_EQ(decoded(file, ImageMode::rgb), c.rgb) << kind.name;
            EXPECT_EQ(decoded(file, ImageMode::gray), c.gray) << kind.name;
            EXPECT_EQ(decoded(file, ImageMode::unchanged), c.unchanged) << kind.name;
            EXPECT_EQ(open(file, ImageMode::unchanged)->pixels().scalar_type(),
                      kind.bits == 16 ? at::kInt : at::kByte)
                << kind.name;
        }
}

TEST(BmpPixels, OfEachKind) {
    const BmpKind pixels_565{"", 16, false, 3, {0xF800, 0x7E0, 0x1F}};
    const BmpKind rgba{"", 32, false, 3, {0xFF, 0xFF00, 0xFF0000, 0xFF000000}};
    const BmpKind bgra{"", 32, false, 3, {0xFF0000, 0xFF00, 0xFF, 0xFF000000}};
    const struct {
        BmpKind kind;
        int height, width;
        std::string data, rgb, unchanged;
    } cases[] = {
        {{"1", 1}, 1, 3, std::string("\xA0\0\0\0", 4), "1,254,7 0,255,0 1,254,7", "1 0 1"},
        {{"4", 4}, 1, 3, std::string("\x12\x30\0\0", 4), "1,254,7 2,253,14 3,252,21", "1 2 3"},
        {{"8", 8}, 2, 1, std::string("\1\0\0\0\2\0\0\0", 8), "2,253,14 | 1,254,7", "2 | 1"},
        {{"8", 8, true}, 2, 1, std::string("\1\0\0\0\2\0\0\0", 8), "1,254,7 | 2,253,14", "1 | 2"},
        {{"16", 16}, 1, 2, std::string("\x1F\0\0\x7C", 4), "0,0,255 255,0,0", "0,0,255 255,0,0"},
        {pixels_565, 1, 2, std::string("\xE0\7\1\0", 4), "0,255,0 0,0,8", "0,255,0 0,0,8"},
        {{"24", 24}, 1, 1, std::string("\1\2\3\0", 4), "3,2,1", "3,2,1"},
        {{"32", 32}, 1, 1, "\1\2\3\4", "3,2,1", "3,2,1"},
        {rgba, 1, 1, "\1\2\3\4", "1,2,3", "1,2,3,4"},
        {bgra, 1, 1, "\1\2\3\4", "3,2,1", "3,2,1,4"},
        // Three of 5; end of line; three single ones and padding; end. Then a move.
        {{"rle8", 8, false, 1},
         2,
         4,
         std::string("\3\5\0\0\0\3\7\1\2\0\0\1", 12),
         "7,248,49 1,254,7 2,253,14 0,255,0 | "
         "5,250,35 5,250,35 5,250,35 0,255,0",
         "7 1 2 0 | 5 5 5 0"},
        {{"rle8", 8, false, 1},
         2,
         3,
         std::string("\0\2\1\1\1\4\0\1", 8),
         "0,255,0 4,251,28 0,255,0 | 0,255,0 0,255,0 0,255,0",
         "0 4 0 | 0 0 0"},
        {{"rle4", 4, false, 2},
         1,
         6,
         std::string("\3\x12\0\3\x34\x50\0\1", 8),
         "1,254,7 2,253,14 1,254,7 3,252,21 4,251,28 5,250,35",
         "1 2 1 3 4 5"},
        // More than a row holds is dropped.
        {{"rle8", 8, false, 1}, 1, 2, std::string("\xFF\3\0\1", 4), "3,252,21 3,252,21", "3 3"},
    };
    for (const auto& c : cases) {
        const std::string file = encode_bmp(c.kind, c.height, c.width, c.data);
        EXPECT_EQ(decoded(file, ImageMode::rgb), c.rgb) << c.kind.name;
        EXPECT_EQ(decoded(file, ImageMode::unchanged), c.unchanged) << c.kind.name;
    }
    EXPECT_EQ(
        decoded(encode_bmp({"24", 24}, 1, 1, std::string("\x1E\x14\x0A\0", 4)), ImageMode::gray),
        "18");
}

TEST(WebpPixels, AreThoseThatWereWritten) {
    const at::Tensor rgba = painted(19, 30, 4);
    const at::Tensor rgb = rgba.narrow(2, 0, 3);
    const auto chw = [](const at::Tensor& rows) { return rows.permute({2, 0, 1}); };
    EXPECT_TRUE(same(open(encode_webp(rgb, true))->pixels(), chw(rgb)));
    const std::string with_alpha = encode_webp(rgba, true);
    EXPECT_TRUE(same(open(with_alpha)->pixels(), chw(rgb)));
    EXPECT_TRUE(same(open(with_alpha, ImageMode::unchanged)->pixels(), chw(rgba)));
    EXPECT_EQ(open(encode_webp(rgb, false), ImageMode::unchanged)->pixels().size(0), 3);
    // Lossy: near enough.
    const at::Tensor smooth = at::full({20, 20, 3}, 100, at::kByte);
    const at::Tensor lossy = open(encode_webp(smooth, false))->pixels().to(at::kInt);
    EXPECT_LE((lossy - 100).abs().max().item<int>(), 3);
}

TEST(JpegPixels, AreNearThoseThatWereWritten) {
    const uint8_t color[] = {200, 100, 50};
    at::Tensor rgb = at::empty({24, 40, 3}, at::kByte);
    for (int c = 0; c < 3; ++c) rgb.select(2, c).fill_(color[c]);
    for (const JpegKind& kind : jpeg_kinds()) {
        const at::Tensor pixels = open(encode_jpeg(rgb, kind))->pixels().to(at::kInt);
        for (int c = 0; c < 3; ++c)
            EXPECT_LE((pixels[c] - color[c]).abs().max().item<int>(), 3) << kind.name;
    }
}

TEST(JpegPixels, OfGreyAndCmyk) {
    const at::Tensor level = at::full({8, 8, 1}, 77, at::kByte);
    const std::string gray = encode_jpeg(level);
    EXPECT_EQ(open(gray)->pixels().sizes(), at::IntArrayRef({3, 8, 8}));
    EXPECT_TRUE(at::all(open(gray)->pixels() == 77).item<bool>());
    EXPECT_TRUE(same(open(gray, ImageMode::gray)->pixels(), level.permute({2, 0, 1})));
    EXPECT_TRUE(same(open(gray, ImageMode::unchanged)->pixels(), level.permute({2, 0, 1})));
    // Inverted, as Adobe's are: cyan 55, magenta 105, yellow 155, black 51 of 255.
    at::Tensor ink = at::empty({8, 8, 4}, at::kByte);
    const uint8_t stored[] = {200, 150, 100, 204};
    for (int c = 0; c < 4; ++c) ink.select(2, c).fill_(stored[c]);
    const std::string cmyk = encode_jpeg(ink);
    const at::Tensor raw = open(cmyk, ImageMode::unchanged)->pixels().to(at::kInt);
    const at::Tensor rgb = open(cmyk)->pixels().to(at::kInt);
    ASSERT_EQ(raw.size(0), 4);
    const int light[] = {160, 120, 80};  // (255 - ink) * 204 / 255
    for (int c = 0; c < 4; ++c) EXPECT_LE(std::abs(raw[c][0][0].item<int>() - 255 + stored[c]), 3);
    for (int c = 0; c < 3; ++c) EXPECT_LE(std::abs(rgb[c][0][0].item<int>() - light[c]), 3);
}

TEST(Pixels, AreTimedWhereTheyAreDecoded) {
    const ImagePtr image = open(encode_jpeg(painted(100, 100, 3)));
    SampleRecord record;
    image->pixels({10, 10, 50, 50});
    EXPECT_GT(record.times().seconds(LoadStage::decode), 0);
}

TEST(Formats, AreRecognisedByContent) {
    EXPECT_EQ(format_of(encode_jpeg(painted(2, 2, 3))), "jpeg");
    EXPECT_EQ(format_of(encode_png_kind(png_numbers({}, 2, 2), {})), "png");
    EXPECT_EQ(format_of(encode_webp(painted(2, 2, 3), true)), "webp");
    EXPECT_EQ(format_of(some_bmp({}, 2, 2)), "bmp");
    for (const std::string text : {"", "B", "BMW and other cars are no bitmaps", "\xFF\xD8",
                                   "GIF89a", "RIFF1234WAVEfmt ", "\x89PNG\n"})
        EXPECT_EQ(format_of(text), "") << text;
}

}  // namespace
}  // namespace ailab::test
