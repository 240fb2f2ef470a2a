// A part of an image is what the whole has there, bit for bit.
#include <gtest/gtest.h>

#include "ailab/error.hpp"
#include "decoding.hpp"
#include "encoders.hpp"

namespace ailab::test {
namespace {

constexpr ImageMode modes[] = {ImageMode::rgb, ImageMode::gray, ImageMode::unchanged};

void expect_regions_of_the_whole(const std::string& name, const std::string& file, size_t count) {
    for (const ImageMode mode : modes) {
        const ImagePtr image = open(file, mode);
        const at::Tensor whole = image->pixels();
        for (const Region& r : regions_of(*image, count, uint64_t(mode))) {
            const at::Tensor part = image->pixels(r);
            ASSERT_TRUE(same(part, cut(whole, r)))
                << name << ", mode " << int(mode) << ", " << r.width << " x " << r.height << " at ("
                << r.left << ", " << r.top << ") of " << image->width() << " x " << image->height();
            ASSERT_TRUE(part.permute({1, 2, 0}).is_contiguous());
        }
    }
}

TEST(Regions, OfJpeg) {
    const struct { int64_t height, width; } sizes[] = {{1, 1}, {17, 33}, {64, 96}, {131, 203}};
    for (const JpegKind& kind : jpeg_kinds())
        for (const auto& size : sizes)
            expect_regions_of_the_whole(kind.name,
                                        encode_jpeg(painted(size.height, size.width, 3), kind), 25);
}

TEST(Regions, OfJpegWithOtherChannels) {
    for (const JpegKind& kind : jpeg_kinds()) {
        expect_regions_of_the_whole("gray " + kind.name, encode_jpeg(painted(75, 101, 1), kind),
                                    20);
        const bool fits_an_mcu = kind.horizontal * kind.vertical <= 4;
        if (fits_an_mcu)
            expect_regions_of_the_whole("cmyk " + kind.name, encode_jpeg(painted(75, 101, 4), kind),
                                        20);
    }
}

TEST(Regions, OfPng) {
    for (const PngKind& kind : png_kinds())
        expect_regions_of_the_whole(kind.name, encode_png_kind(png_numbers(kind, 37, 53), kind),
                                    60);
}

TEST(Regions, OfWebp) {
    for (const int channels : {3, 4})
        for (const bool lossless : {false, true})
            expect_regions_of_the_whole("webp", encode_webp(painted(67, 93, channels), lossless),
                                        200);
}

TEST(Regions, OfBmp) {
    for (const BmpKind& kind : bmp_kinds())
        expect_regions_of_the_whole(kind.name, some_bmp(kind, 37, 53), 60);
}

TEST(Regions, OfATurnedImage) {
    for (int orientation = 1; orientation <= 8; ++orientation)
        expect_regions_of_the_whole(
            "turned",
            encode_jpeg(painted(45, 70, 3), {"420", 2, 2},
                        std::string("Exif\0\0", 6) + exif_of(orientation, true)),
            60);
}

TEST(Regions, OutsideAreRefused) {
    const ImagePtr image = open(encode_webp(painted(5, 7, 3), true));
    const Region regions[] = {{-1, 0, 2, 2}, {0, -1, 2, 2}, {0, 0, 0, 2}, {0, 0, 2, 0},
                              {4, 0, 2, 2},  {0, 6, 2, 2},  {0, 0, 6, 7}, {0, 0, 5, 8}};
    for (const Region& region : regions) EXPECT_THROW(image->pixels(region), Error);
}

}  // namespace
}  // namespace ailab::test
