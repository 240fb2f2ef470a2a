#pragma once
// Image files of every kind, written by the formats' own libraries.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ailab::test {

/// Waves and noise: [height, width, channels], uint8. Every neighbour differs, in colour too.
at::Tensor painted(int64_t height, int64_t width, int64_t channels, uint64_t seed = 1);

struct JpegKind {
    std::string name;
    int horizontal = 1, vertical = 1;  // how many luma samples one of chroma stands for
    bool progressive = false;
    bool arithmetic = false;
    int restart_rows = 0;
    /// The first scan (DC) of a progressive file alone.
    bool first_scan_only = false;
};
std::vector<JpegKind> jpeg_kinds();
/// 1, 3 or 4 (CMYK, stored as YCCK, not inverted) channels.
std::string encode_jpeg(const at::Tensor& pixels, const JpegKind& kind = {},
                        const std::string& exif = "");

struct PngKind {
    std::string name;
    int color_type = 2;
    int bits = 8;
    bool interlaced = false;
};
std::vector<PngKind> png_kinds();
/// `rows`: one number a channel, of `bits` bits. A palette has the colours i -> (i, 255 - i, 7 i).
/// `profile`: a compressed text "Raw profile type exif".
std::string encode_png_kind(const at::Tensor& rows, const PngKind& kind,
                            const std::string& exif = "", const std::string& profile = "");
/// Numbers for encode_png_kind.
at::Tensor png_numbers(const PngKind& kind, int64_t height, int64_t width);

/// 3 or 4 channels.
std::string encode_webp(const at::Tensor& pixels, bool lossless);

struct BmpKind {
    std::string name;
    int bits = 24;
    bool top_down = false;
    uint32_t compression = 0;
    std::vector<uint32_t> masks = {};
};
std::vector<BmpKind> bmp_kinds();
/// Rows of bytes as the file has them, in the order of the file. A palette as in a PNG.
std::string encode_bmp(const BmpKind& kind, int height, int width, const std::string& data);
std::string some_bmp(const BmpKind& kind, int height, int width);

/// The types of a number in a TIFF structure.
enum class TiffType {
    byte = 1,
    unsigned_short = 3,
    unsigned_long = 4,
    signed_short = 8,
    signed_long = 9
};

/// EXIF data that hold an orientation alone.
std::string exif_of(int orientation, bool big_endian, TiffType type = TiffType::unsigned_short);

}  // namespace ailab::test
