// EXIF orientation 1 to 8, in each format that has EXIF data.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "decoding.hpp"
#include "encoders.hpp"
#include "image/orientation.hpp"

namespace ailab::test {
namespace {

/// The upright image, row by row, when the stored one is "1 2 3 | 4 5 6".
const struct {
    int orientation;
    const char* upright;
} table[] = {{1, "1 2 3 | 4 5 6"},   {2, "3 2 1 | 6 5 4"},   {3, "6 5 4 | 3 2 1"},
             {4, "4 5 6 | 1 2 3"},   {5, "1 4 | 2 5 | 3 6"}, {6, "4 1 | 5 2 | 6 3"},
             {7, "6 3 | 5 2 | 4 1"}, {8, "3 6 | 2 5 | 1 4"}};

const PngKind gray{"gray", 0, 8};

at::Tensor stored() {
    return at::arange(1, 7, at::kInt).view({2, 3, 1});
}

TEST(Orientation, OfPng) {
    for (const auto& row : table)
        for (const bool big_endian : {false, true}) {
            const ImagePtr image =
                open(encode_png_kind(stored(), gray, exif_of(row.orientation, big_endian)),
                     ImageMode::gray);
            EXPECT_EQ(text_of(image->pixels()), row.upright);
            EXPECT_EQ(image->height(), image->pixels().size(1));
            EXPECT_EQ(image->width(), image->pixels().size(2));
        }
}

/// The file with its chunk eXIf moved in front of the end, where some tools write it.
std::string with_exif_behind_pixels(std::string file) {
    const size_t begin = file.find("eXIf") - 4, end = file.size() - 12;
    const auto byte = [&](size_t at) { return size_t{static_cast<uint8_t>(file[at])}; };
    const size_t size = 12 + (byte(begin + 2) << 8) + byte(begin + 3);
    const std::string chunk = file.substr(begin, size);
    return file.insert(end, chunk).erase(begin, size);
}

TEST(Orientation, OfPngBehindThePixels) {
    for (const auto& row : table) {
        const std::string file = with_exif_behind_pixels(
            encode_png_kind(stored(), gray, exif_of(row.orientation, true)));
        ASSERT_LT(file.find("IDAT"), file.find("eXIf"));
        EXPECT_EQ(text_of(open(file, ImageMode::gray)->pixels()), row.upright);
        // A file that ends within it, or before: as if it were not there.
        const size_t chunk = file.find("eXIf");
        for (const size_t length : {chunk - 4, chunk, chunk + 10}) {
            DecodeOptions options;
            options.mode = ImageMode::gray;
            options.tolerate_truncation = true;
            EXPECT_EQ(text_of(open(file.substr(0, length), options)->pixels()), table[0].upright)
                << length;
        }
    }
}

TEST(Orientation, OfJpeg) {
    const at::Tensor pixels = painted(16, 24, 3);
    const at::Tensor rows = open(encode_jpeg(pixels))->pixels().permute({1, 2, 0}).contiguous();
    const std::string other = "http://ns.adobe.com/xap/1.0/ comes in the same kind of segment";
    for (const auto& row : table) {
        const std::string exif = std::string("Exif\0\0", 6) + exif_of(row.orientation, true);
        const ImagePtr image = open(encode_jpeg(pixels, {}, exif));
        const at::Tensor upright =
            turned_upright(rows, Orientation(row.orientation)).permute({2, 0, 1});
        EXPECT_TRUE(same(image->pixels(), upright)) << row.orientation;
        EXPECT_EQ(image->height(), row.orientation >= 5 ? 24 : 16);
    }
    EXPECT_TRUE(same(open(encode_jpeg(pixels, {}, other))->pixels(), rows.permute({2, 0, 1})));
}

/// The extended form of a WebP file, with EXIF data behind the pixels.
std::string webp_with_exif(const std::string& simple, int width, int height,
                           const std::string& exif) {
    const auto number = [](size_t value, int size) {
        std::string text;
        for (int i = 0; i < size; ++i) text += char(value >> 8 * i);
        return text;
    };
    const auto chunk = [&](const std::string& name, const std::string& data) {
        return name + number(data.size(), 4) + data + std::string(data.size() % 2, '\0');
    };
    const std::string has_exif("\x08\0\0\0", 4);
    const std::string body =
        "WEBP" +
        chunk("VP8X", has_exif + number(size_t(width - 1), 3) + number(size_t(height - 1), 3)) +
        simple.substr(12) + chunk("EXIF", exif);
    return "RIFF" + number(body.size(), 4) + body;
}

TEST(Orientation, OfWebp) {
    const at::Tensor pixels = stored().to(at::kByte).expand({2, 3, 3}).contiguous();
    const std::string simple = encode_webp(pixels, true);
    for (const auto& row : table)
        EXPECT_EQ(text_of(open(webp_with_exif(simple, 3, 2, exif_of(row.orientation, false)),
                               ImageMode::gray)
                              ->pixels()),
                  row.upright);
}

TEST(Orientation, IsLeftAloneWhenAsked) {
    DecodeOptions options;
    options.exif_orientation = false;
    options.mode = ImageMode::gray;
    const ImagePtr image = open(encode_png_kind(stored(), gray, exif_of(6, true)), options);
    EXPECT_EQ(text_of(image->pixels()), table[0].upright);
}

TEST(Orientation, IsOfAnyTypeOfIntegerButBytes) {
    const auto upright = [](int orientation, bool big_endian, TiffType type) {
        const std::string file =
            encode_png_kind(stored(), gray, exif_of(orientation, big_endian, type));
        return text_of(open(file, ImageMode::gray)->pixels());
    };
    for (const auto& row : table)
        for (const bool big_endian : {false, true}) {
            for (const TiffType type : {TiffType::unsigned_short, TiffType::unsigned_long,
                                        TiffType::signed_short, TiffType::signed_long})
                EXPECT_EQ(upright(row.orientation, big_endian, type), row.upright) << int(type);
            EXPECT_EQ(upright(row.orientation, big_endian, TiffType::byte), table[0].upright);
        }
}

/// As ImageMagick writes it.
std::string profile_of(const std::string& bytes) {
    std::string text = concat("\nexif\n      ", bytes.size());
    constexpr size_t bytes_a_line = 36;
    for (size_t i = 0; i < bytes.size(); ++i) {
        constexpr const char* digits = "0123456789abcdef";
        if (i % bytes_a_line == 0) text += '\n';
        text += digits[uint8_t(bytes[i]) >> 4];
        text += digits[uint8_t(bytes[i]) & 15];
    }
    return text + "\n";
}

TEST(Orientation, OfPngWithARawProfile) {
    const auto upright = [](const std::string& profile, const std::string& exif = "") {
        return text_of(
            open(encode_png_kind(stored(), gray, exif, profile), ImageMode::gray)->pixels());
    };
    const std::string head("Exif\0\0", 6);
    for (const auto& row : table)
        for (const std::string& begin : {std::string(), head})
            EXPECT_EQ(upright(profile_of(begin + exif_of(row.orientation, true))), row.upright);
    EXPECT_EQ(upright(profile_of(exif_of(6, true)), exif_of(3, true)), table[2].upright)
        << "the chunk eXIf goes first";
    for (const char* nonsense : {"x", "\nexif\n", "\nexif\n 26\n4d4", "\nexif\n 26\nnot digits\n"})
        EXPECT_EQ(upright(nonsense), table[0].upright) << nonsense;
}

TEST(Orientation, OfNonsenseIsUpright) {
    const std::string good = exif_of(6, true);
    const auto read = [](const std::string& exif) {
        return exif_orientation({reinterpret_cast<const uint8_t*>(exif.data()), exif.size()});
    };
    ASSERT_EQ(read(good), Orientation::turned_right);
    constexpr size_t tag_ends_at = 12, value_ends_at = 20;
    for (size_t size = 0; size < value_ends_at; ++size)
        EXPECT_EQ(read(good.substr(0, size)),
                  size < tag_ends_at ? std::nullopt : std::optional(Orientation::upright))
            << size;
    for (const int value : {0, 9, 255, 65535})
        EXPECT_EQ(read(exif_of(value, false)), Orientation::upright) << value;
    std::string loop = good;
    loop.replace(4, 4, "\xFF\xFF\xFF\xFF");
    EXPECT_EQ(read(loop), std::nullopt);
}

// As Pillow finds it; tests/interop/test_images.py has whole files, beside Pillow.
TEST(Orientation, OfAnXmpPacket) {
    const struct {
        const char* packet;
        int orientation;
    } rows[] = {{"<rdf:Description tiff:Orientation=\"6\"/>", 6},
                {"<tiff:Orientation>8</tiff:Orientation>", 8},
                {"<tiff:Orientation>1</tiff:Orientation>", 1},
                {"tiff:Orientation='6'", 1},
                {"tiff:Orientation = \"6\"", 1},
                {"tiff:Orientation=\"9\" tiff:Orientation=\"6\"", 1},
                {"tiff:OrientationX tiff:Orientation=\"x\" tiff:Orientation=\"3\"", 3},
                {"tiff:Orientation=\"", 1},
                {"tiff:Orientation", 1},
                {"exif:Orientation=\"6\"", 1},
                {"", 1}};
    for (const auto& row : rows)
        EXPECT_EQ(int(xmp_orientation(row.packet)), row.orientation) << row.packet;
}

}  // namespace
}  // namespace ailab::test
