#include "encoders.hpp"

#include <ATen/ATen.h>
#include <webp/encode.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <stdexcept>
// After <cstdio>.
#include <jpeglib.h>
#include <png.h>

namespace ailab::test {

at::Tensor painted(int64_t height, int64_t width, int64_t channels, uint64_t seed) {
    std::mt19937_64 random(seed);
    at::Tensor pixels = at::empty({height, width, channels}, at::kByte);
    uint8_t* out = pixels.mutable_data_ptr<uint8_t>();
    for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x)
            for (int64_t c = 0; c < channels; ++c) {
                const double wave = std::sin(0.11 * double(x * (c + 1)) + 0.07 * double(y)) +
                                    std::cos(0.05 * double(x) - 0.13 * double(y * (3 - c)));
                *out++ = uint8_t(128 + 50 * wave + double(random() % 25));
            }
    return pixels;
}

std::vector<JpegKind> jpeg_kinds() {
    std::vector<JpegKind> kinds;
    const struct {
        const char* name;
        int horizontal, vertical;
    } samplings[] = {{"444", 1, 1}, {"422", 2, 1}, {"420", 2, 2},
                     {"440", 1, 2}, {"411", 4, 1}, {"410", 4, 2}};
    for (const auto& s : samplings) {
        const std::string name = s.name;
        kinds.push_back({name, s.horizontal, s.vertical});
        kinds.push_back({name + "_progressive", s.horizontal, s.vertical, true});
        kinds.push_back({name + "_arithmetic", s.horizontal, s.vertical, false, true});
        kinds.push_back({name + "_restarts", s.horizontal, s.vertical, false, false, 1});
        kinds.push_back({name + "_first_scan", s.horizontal, s.vertical, true, false, 0, true});
    }
    return kinds;
}

namespace {

void choose(jpeg_compress_struct& info, const JpegKind& kind) {
    jpeg_set_defaults(&info);
    if (info.num_components == 4) jpeg_set_colorspace(&info, JCS_YCCK);
    jpeg_set_quality(&info, 90, TRUE);
    if (info.num_components > 1) {
        // Luma, and black, have all samples.
        for (int c = 0; c < info.num_components; ++c) {
            const bool is_chroma = c == 1 || c == 2;
            info.comp_info[c].h_samp_factor = is_chroma ? 1 : kind.horizontal;
            info.comp_info[c].v_samp_factor = is_chroma ? 1 : kind.vertical;
        }
    }
    info.arith_code = kind.arithmetic;
    info.restart_in_rows = kind.restart_rows;
    if (kind.progressive) jpeg_simple_progression(&info);
    if (kind.first_scan_only) info.num_scans = 1;
}

}  // namespace

std::string encode_jpeg(const at::Tensor& pixels, const JpegKind& kind, const std::string& exif) {
    jpeg_compress_struct info{};
    jpeg_error_mgr errors{};
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_height = JDIMENSION(pixels.size(0));
    info.image_width = JDIMENSION(pixels.size(1));
    info.input_components = int(pixels.size(2));
    info.in_color_space = pixels.size(2) == 1   ? JCS_GRAYSCALE
                          : pixels.size(2) == 4 ? JCS_CMYK
                                                : JCS_RGB;
    choose(info, kind);
    jpeg_start_compress(&info, TRUE);
    if (!exif.empty())
        jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                          unsigned(exif.size()));
    const at::Tensor rows = pixels.contiguous();
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = const_cast<uint8_t*>(rows.const_data_ptr<uint8_t>()) +
                       int64_t(info.next_scanline) * rows.stride(0);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    const std::string file(reinterpret_cast<char*>(bytes), size);
    std::free(bytes);
    return file;
}

std::vector<PngKind> png_kinds() {
    std::vector<PngKind> kinds;
    const struct {
        const char* name;
        int color_type;
        std::vector<int> bits;
    } types[] = {{"gray", 0, {1, 2, 4, 8, 16}},
                 {"rgb", 2, {8, 16}},
                 {"palette", 3, {1, 2, 4, 8}},
                 {"gray_alpha", 4, {8, 16}},
                 {"rgba", 6, {8, 16}}};
    for (const auto& type : types)
        for (const int bits : type.bits)
            for (const bool interlaced : {false, true})
                kinds.push_back(
                    {type.name + std::to_string(bits) + (interlaced ? "_interlaced" : ""),
                     type.color_type, bits, interlaced});
    return kinds;
}

at::Tensor png_numbers(const PngKind& kind, int64_t height, int64_t width) {
    const int channels = kind.color_type == 2   ? 3
                         : kind.color_type == 4 ? 2
                         : kind.color_type == 6 ? 4
                                                : 1;
    std::mt19937_64 random(uint64_t(kind.color_type * 100 + kind.bits));
    at::Tensor numbers = at::empty({height, width, channels}, at::kInt);
    auto* out = numbers.mutable_data_ptr<int32_t>();
    for (int64_t i = 0; i < numbers.numel(); ++i)
        out[i] = int32_t(random() & ((1u << kind.bits) - 1));
    return numbers;
}

std::string encode_png_kind(const at::Tensor& rows, const PngKind& kind, const std::string& exif,
                            const std::string& profile) {
    std::string file;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(
        png, &file,
        [](png_structp png, png_bytep data, size_t size) {
            static_cast<std::string*>(png_get_io_ptr(png))
                ->append(reinterpret_cast<char*>(data), size);
        },
        nullptr);
    png_set_IHDR(png, info, png_uint_32(rows.size(1)), png_uint_32(rows.size(0)), kind.bits,
                 kind.color_type, kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind.color_type == PNG_COLOR_TYPE_PALETTE) {
        std::vector<png_color> colors;
        for (int i = 0; i < 1 << kind.bits; ++i)
            colors.push_back({uint8_t(i), uint8_t(255 - i), uint8_t(7 * i)});
        png_set_PLTE(png, info, colors.data(), int(colors.size()));
        const png_byte alpha[] = {0, 100};  // must not matter
        png_set_tRNS(png, info, alpha, 2, nullptr);
    }
    std::string exif_bytes = exif;
    if (!exif.empty())
        png_set_eXIf_1(png, info, png_uint_32(exif.size()),
                       reinterpret_cast<png_bytep>(exif_bytes.data()));
    std::string key = "Raw profile type exif", value = profile;
    png_text text{};
    text.compression = PNG_TEXT_COMPRESSION_zTXt;
    text.key = key.data();
    text.text = value.data();
    text.text_length = value.size();
    if (!profile.empty()) png_set_text(png, info, &text, 1);
    png_write_info(png, info);
    png_set_packing(png);
    const size_t numbers = size_t(rows.stride(0));
    const size_t number_size = kind.bits == 16 ? 2 : 1;
    std::vector<uint8_t> bytes(size_t(rows.numel()) * number_size);
    const auto* from = rows.const_data_ptr<int32_t>();
    for (size_t i = 0; i < size_t(rows.numel()); ++i) {
        if (number_size == 2) bytes[2 * i] = uint8_t(from[i] >> 8);
        bytes[number_size * i + number_size - 1] = uint8_t(from[i]);
    }
    std::vector<png_bytep> lines;
    for (int64_t y = 0; y < rows.size(0); ++y)
        lines.push_back(bytes.data() + size_t(y) * numbers * number_size);
    png_write_image(png, lines.data());
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return file;
}

std::string encode_webp(const at::Tensor& pixels, bool lossless) {
    const at::Tensor rows = pixels.contiguous();
    const auto* data = rows.const_data_ptr<uint8_t>();
    const int width = int(rows.size(1)), height = int(rows.size(0)), stride = int(rows.stride(0));
    uint8_t* out = nullptr;
    size_t size = 0;
    constexpr float quality = 90;
    if (rows.size(2) == 4)
        size = lossless ? WebPEncodeLosslessRGBA(data, width, height, stride, &out)
                        : WebPEncodeRGBA(data, width, height, stride, quality, &out);
    else
        size = lossless ? WebPEncodeLosslessRGB(data, width, height, stride, &out)
                        : WebPEncodeRGB(data, width, height, stride, quality, &out);
    const std::string file(reinterpret_cast<char*>(out), size);
    WebPFree(out);
    return file;
}

std::vector<BmpKind> bmp_kinds() {
    return {{"1", 1},
            {"4", 4},
            {"8", 8},
            {"16", 16},
            {"24", 24},
            {"32", 32},
            {"8_top_down", 8, true},
            {"24_top_down", 24, true},
            {"16_565", 16, false, 3, {0xF800, 0x7E0, 0x1F}},
            {"32_rgba", 32, false, 3, {0xFF, 0xFF00, 0xFF0000, 0xFF000000}}};
}

namespace {

void append_number(std::string& out, uint32_t value, int size, bool big_endian = false) {
    for (int i = 0; i < size; ++i) out += char(value >> 8 * (big_endian ? size - 1 - i : i));
}

}  // namespace

std::string encode_bmp(const BmpKind& kind, int height, int width, const std::string& data) {
    const bool has_alpha = kind.masks.size() == 4;
    const uint32_t header_size = has_alpha ? 56 : 40;
    const uint32_t colors = kind.bits <= 8 ? 1u << kind.bits : 0;
    const uint32_t masks_after = has_alpha ? 0 : uint32_t(4 * kind.masks.size());
    const uint32_t pixels_at = 14 + header_size + masks_after + 4 * colors;
    std::string file = "BM";
    append_number(file, pixels_at + uint32_t(data.size()), 4);
    append_number(file, 0, 4);
    append_number(file, pixels_at, 4);
    append_number(file, header_size, 4);
    append_number(file, uint32_t(width), 4);
    append_number(file, uint32_t(kind.top_down ? -height : height), 4);
    append_number(file, 1, 2);
    append_number(file, uint32_t(kind.bits), 2);
    append_number(file, kind.compression, 4);
    append_number(file, uint32_t(data.size()), 4);
    for (int i = 0; i < 4; ++i) append_number(file, i < 2 ? 2835 : 0, 4);
    for (const uint32_t mask : kind.masks) append_number(file, mask, 4);
    for (uint32_t i = 0; i < colors; ++i) file += {char(7 * i), char(255 - i), char(i), '\0'};
    return file + data;
}

std::string some_bmp(const BmpKind& kind, int height, int width) {
    std::mt19937_64 random{uint64_t(kind.bits)};
    std::string data(size_t((width * kind.bits + 31) / 32 * 4 * height), '\0');
    for (char& byte : data) byte = char(random());
    return encode_bmp(kind, height, width, data);
}

std::string exif_of(int orientation, bool big_endian, TiffType type) {
    std::string tiff = big_endian ? "MM" : "II";
    append_number(tiff, 42, 2, big_endian);
    append_number(tiff, 8, 4, big_endian);       // where the directory is
    append_number(tiff, 1, 2, big_endian);       // its entries
    append_number(tiff, 0x0112, 2, big_endian);  // orientation
    append_number(tiff, uint32_t(type), 2, big_endian);
    append_number(tiff, 1, 4, big_endian);
    const bool is_long = type == TiffType::unsigned_long || type == TiffType::signed_long;
    const int size = type == TiffType::byte ? 1 : is_long ? 4 : 2;
    append_number(tiff, uint32_t(orientation), size, big_endian);
    append_number(tiff, 0, 4 - size, big_endian);
    append_number(tiff, 0, 4, big_endian);  // no directory follows
    return tiff;
}

}  // namespace ailab::test
