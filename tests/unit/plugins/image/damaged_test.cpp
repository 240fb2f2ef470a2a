// Files that end early, that promise too much, or that are none.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>

#include "ailab/loading.hpp"
#include "decoding.hpp"
#include "encoders.hpp"

namespace ailab::test {
namespace {

struct Named {
    std::string name, file;
};

std::vector<Named> some_of_each(int64_t height, int64_t width) {
    std::vector<Named> files;
    for (const JpegKind& kind : jpeg_kinds())
        if (!kind.first_scan_only)
            files.push_back({"jpeg " + kind.name, encode_jpeg(painted(height, width, 3), kind)});
    for (const PngKind& kind : png_kinds())
        files.push_back(
            {"png " + kind.name, encode_png_kind(png_numbers(kind, height, width), kind)});
    for (const int channels : {3, 4})
        for (const bool lossless : {false, true})
            files.push_back({"webp", encode_webp(painted(height, width, channels), lossless)});
    for (const BmpKind& kind : bmp_kinds())
        files.push_back({"bmp " + kind.name, some_bmp(kind, int(height), int(width))});
    files.push_back({"bmp rle8", encode_bmp({"", 8, false, 1}, 2, 4,
                                            std::string("\3\5\0\0\0\3\7\1\2\0\0\1", 12))});
    return files;
}

std::string strict_error(const std::string& file) {
    try {
        open(file)->pixels();
        return "";
    } catch (const BrokenSample& error) {
        return error.what();
    }
}

TEST(CutFiles, AreBrokenOrDamagedWhereverTheyEnd) {
    // Rows of a bitmap without padding, which nobody misses.
    for (const auto& [name, file] : some_of_each(11, 32)) {
        ASSERT_EQ(strict_error(file), "") << name;
        const at::Tensor whole = open(file)->pixels();
        for (size_t size = 0; size < file.size(); ++size) {
            const std::string begin = file.substr(0, size);
            EXPECT_NE(strict_error(begin), "") << name << " of " << size << " bytes";
            const Tolerated tolerated = decode_tolerantly(begin);
            if (tolerated.pixels.defined()) {
                EXPECT_EQ(tolerated.damage.size(), 1u) << name << " of " << size << " bytes";
                EXPECT_EQ(tolerated.pixels.sizes(), whole.sizes());
            } else {
                EXPECT_NE(tolerated.error, "") << name << " of " << size << " bytes";
            }
        }
    }
}

TEST(CutFiles, AreDecodedAsFarAsTheyGo) {
    const at::Tensor pixels = painted(200, 150, 3);
    const auto chw = pixels.permute({2, 0, 1});
    const PngKind rgb{"rgb8", 2, 8};
    const struct {
        std::string name, file;
    } cases[] = {{"jpeg", encode_jpeg(pixels)},
                 {"png", encode_png_kind(pixels.to(at::kInt), rgb)},
                 {"webp", encode_webp(pixels, false)},
                 {"bmp", some_bmp({"24", 24, true}, 200, 150)}};
    for (const auto& [name, file] : cases) {
        const at::Tensor whole = open(file)->pixels();
        const std::string begin = file.substr(0, file.size() * 6 / 10);
        const Tolerated half = decode_tolerantly(begin);
        ASSERT_TRUE(half.pixels.defined()) << name;
        EXPECT_TRUE(same(half.pixels.narrow(1, 0, 90), whole.narrow(1, 0, 90))) << name;
        EXPECT_TRUE(at::all(half.pixels.narrow(1, 170, 30) == 128).item<bool>()) << name;
        ASSERT_EQ(half.damage.size(), 1u);
        EXPECT_EQ(half.damage[0].find("the file is damaged: "), 0u) << half.damage[0];
        EXPECT_EQ(strict_error(begin), half.damage[0]);
    }
}

TEST(CutFiles, HaveTheSamePartsAsTheWhole) {
    DecodeOptions options;
    options.tolerate_truncation = true;
    int compared = 0;
    for (const auto& [name, file] : some_of_each(61, 83))
        for (const size_t percent : {30, 60, 95}) {
            ImagePtr image;
            at::Tensor whole;
            try {
                image = open(file.substr(0, file.size() * percent / 100), options);
                whole = image->pixels();
            } catch (const BrokenSample&) {
                continue;  // nothing to compare
            }
            for (const Region& region : regions_of(*image, 10, percent))
                ASSERT_TRUE(same(image->pixels(region), cut(whole, region)))
                    << name << " " << percent << " %";
            ++compared;
        }
    EXPECT_GT(compared, 150);
}

TEST(CutFiles, OfMasksHaveTheFirstIndexWhereTheyEnd) {
    const PngKind palette{"palette8", 3, 8};
    const std::string file = encode_png_kind(png_numbers(palette, 100, 100), palette);
    const Tolerated half = decode_tolerantly(file.substr(0, file.size() / 2), ImageMode::unchanged);
    ASSERT_TRUE(half.pixels.defined());
    EXPECT_TRUE(at::all(half.pixels.narrow(1, 90, 10) == 0).item<bool>());
}

TEST(DamagedFiles, KeepTheRowsBefore) {
    const at::Tensor pixels = painted(200, 150, 3);
    std::string file = encode_png_kind(pixels.to(at::kInt), {"rgb8", 2, 8});
    const at::Tensor whole = open(file)->pixels();
    file[file.size() / 2] = char(file[file.size() / 2] ^ 1);  // a wrong checksum at least
    EXPECT_NE(strict_error(file), "");
    const Tolerated tolerated = decode_tolerantly(file);
    EXPECT_EQ(tolerated.damage.size(), 1u);
    EXPECT_TRUE(same(tolerated.pixels.narrow(1, 0, 50), whole.narrow(1, 0, 50)));
}

TEST(Jpeg, WithHarmlessWarningsIsNotDamaged) {
    // Padding between the segments, and a line of text behind the end.
    std::string file = encode_jpeg(painted(16, 16, 3));
    file.insert(2, std::string(3, '\xFF'));
    EXPECT_EQ(strict_error(file + "and more"), "");
    EXPECT_TRUE(decode_tolerantly(file + "and more").damage.empty());
}

/// A number of a header, big-endian or little-endian.
void put(std::string& file, size_t at, uint64_t value, size_t size, bool big_endian) {
    for (size_t i = 0; i < size; ++i)
        file[at + i] = char(value >> 8 * (big_endian ? size - 1 - i : i));
}

std::string jpeg_of_size(unsigned height, unsigned width, bool progressive) {
    JpegKind kind;
    kind.progressive = progressive;
    std::string file = encode_jpeg(painted(8, 8, 3), kind);
    const size_t frame = file.find(progressive ? "\xFF\xC2" : "\xFF\xC0");
    put(file, frame + 5, height, 2, true);
    put(file, frame + 7, width, 2, true);
    return file;
}

std::string bmp_of_size(int height, int width) {
    std::string file = some_bmp({}, 4, 4);
    put(file, 18, uint32_t(width), 4, false);
    put(file, 22, uint32_t(height), 4, false);
    return file;
}

TEST(HostileHeaders, AreRefusedBeforeMemoryIsTaken) {
    const auto megabytes = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss / 1024;
    };
    const struct {
        std::string file, why;
    } cases[] = {
        {jpeg_of_size(60000, 60000, false), "it has 60000 x 60000 pixels, more than max_pixels"},
        {jpeg_of_size(60000, 60000, true), "it has 60000 x 60000 pixels, more than max_pixels"},
        {jpeg_of_size(10000, 10000, true), "it ends long before its last pixels"},
        {jpeg_of_size(0, 100, false), "cannot be decoded"},
        {jpeg_of_size(65535, 100, false), "Maximum supported image dimension"},
        {bmp_of_size(100000, 100000), "it has 100000 x 100000 pixels, more than max_pixels"},
        {bmp_of_size(INT32_MIN, INT32_MAX), "more than max_pixels"},
        {bmp_of_size(0, 4), "it has no pixels"},
        {bmp_of_size(4, -4), "it has no pixels"},
    };
    const long before = megabytes();
    for (const auto& c : cases) {
        const std::string error = strict_error(c.file);
        EXPECT_NE(error.find(c.why), std::string::npos) << error;
        EXPECT_EQ(error.find("the file "), 0u) << error;
    }
    EXPECT_LT(megabytes() - before, 30);
}

TEST(HostileHeaders, OfPng) {
    const struct {
        int64_t height, width;
        const char* why;
    } cases[] = {{100000, 100000, "it has 100000 x 100000 pixels, more than max_pixels"},
                 {1000, 100000, "it ends long before its last pixels"}};
    for (const auto& c : cases) {
        std::string file = encode_png(at::zeros({3, 4, 4}, at::kByte));
        put(file, 16, uint64_t(c.width), 4, true);
        put(file, 20, uint64_t(c.height), 4, true);
        const auto* header = reinterpret_cast<const Bytef*>(file.data() + 12);
        put(file, 29, crc32(0, header, 17), 4, true);
        const std::string error = strict_error(file);
        EXPECT_NE(error.find(c.why), std::string::npos) << error;
    }
}

TEST(MaxPixels, IsTheLargestThatIsDecoded) {
    const std::string file = encode_jpeg(painted(10, 20, 3));
    DecodeOptions options;
    options.max_pixels = 200;
    EXPECT_EQ(open(file, options)->pixels().numel(), 600);
    options.max_pixels = 199;
    EXPECT_THROW(open(file, options), BrokenSample);
}

TEST(OddFiles, AreRefusedWithTheReason) {
    const auto bmp = [](int bits, uint32_t compression) {
        std::string file = some_bmp({}, 4, 4);
        put(file, 28, uint64_t(bits), 2, false);
        put(file, 30, compression, 4, false);
        return file;
    };
    std::string lossless = jpeg_of_size(8, 8, false);
    lossless[lossless.find("\xFF\xC0") + 1] = '\xC3';
    const struct {
        std::string file, why;
    } cases[] = {
        {"\xFF\xD8\xFF and then text", "cannot be decoded"},
        {std::string("\xFF\xD8\xFF\xD9"), "cannot be decoded"},
        {lossless, "Unsupported JPEG process"},
        {bmp(2, 0), "it has 2 bits a pixel"},
        {bmp(24, 1), "its compression 1 of 24 bits a pixel is not supported"},
        {bmp(24, 4), "its compression 4 of 24 bits a pixel is not supported"},
        {std::string("RIFF\x10\0\0\0WEBPVP8 12345678", 24), "cannot be decoded"},
        {"\x89PNG\r\n\x1a\n and then text", "cannot be decoded"},
    };
    for (const auto& c : cases) {
        const std::string error = strict_error(c.file);
        EXPECT_NE(error.find(c.why), std::string::npos) << error;
        EXPECT_FALSE(decode_tolerantly(c.file).pixels.defined()) << c.why;
    }
}

/// A pass over the whole image for each, from a file of ten bytes a scan.
TEST(Jpeg, WithThousandsOfScansIsRefused) {
    JpegKind kind;
    kind.progressive = true;
    std::string file = encode_jpeg(painted(64, 64, 1), kind);
    const size_t scan = file.rfind("\xFF\xDA");
    const std::string last = file.substr(scan, file.size() - 2 - scan);
    file.resize(file.size() - 2);
    for (int i = 0; i < 1000; ++i) file += last;
    file += "\xFF\xD9";
    EXPECT_NE(strict_error(file).find("more than 500 scans"), std::string::npos)
        << strict_error(file);
}

}  // namespace
}  // namespace ailab::test
