#include "png_file.hpp"

#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace ailab {

namespace {

int value_of_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Of "\nexif\n      26\n4578…\n": a name, the number of bytes, and lines of digits. Empty where it
/// is anything else.
std::vector<uint8_t> bytes_of_profile(std::string_view text) {
    constexpr int lines_before = 3;
    for (int line = 0; line < lines_before; ++line) {
        const size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    std::vector<uint8_t> bytes;
    int first = -1;  // digit of a byte, if it was read
    for (const char c : text) {
        if (c == '\n' || c == '\r' || c == ' ') continue;
        const int digit = value_of_digit(c);
        if (digit < 0) return {};
        if (first >= 0) bytes.push_back(uint8_t(first << 4 | digit));
        first = first >= 0 ? -1 : digit;
    }
    return bytes;
}

/// Calls `look(name, data)` for each chunk of the file until it returns true. libpng tells of what
/// stands behind the pixels only when it has decoded them.
template <class Look>
void look_at_chunks(std::span<const uint8_t> file, const Look& look) {
    constexpr size_t signature = 8, head = 8, checksum = 4;
    for (size_t at = signature; at + head <= file.size();) {
        size_t size = 0;
        for (size_t i = 0; i < 4; ++i) size = size << 8 | file[at + i];
        const std::string_view name(reinterpret_cast<const char*>(file.data() + at + 4), 4);
        at += head;
        if (size > file.size() - at || look(name, file.subspan(at, size))) return;
        at += size + checksum;
    }
}

/// The data of the file's first chunk of a name, or empty.
std::span<const uint8_t> find_chunk(std::span<const uint8_t> file, std::string_view name) {
    std::span<const uint8_t> found;
    look_at_chunks(file, [&](std::string_view here, std::span<const uint8_t> data) {
        if (here == name) found = data;
        return here == name;
    });
    return found;
}

/// Nothing for what is damaged, or grows beyond what Pillow takes.
std::optional<std::string> unpacked(std::string_view packed) {
    constexpr uLongf most = 1 << 20;
    uLongf size = most;
    std::string text(most, '\0');
    const int status =
        uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                   reinterpret_cast<const Bytef*>(packed.data()), uLong(packed.size()));
    if (status != Z_OK) return std::nullopt;
    text.resize(size);
    return text;
}

/// Of a chunk tEXt, zTXt or iTXt without its key and the 0 behind that; nothing if it is damaged.
std::optional<std::string> text_of(std::string_view chunk, std::string_view value) {
    if (chunk == "tEXt") return std::string(value);
    if (chunk == "zTXt") return value.empty() ? std::nullopt : unpacked(value.substr(1));
    constexpr size_t flags = 2;
    if (value.size() < flags || (value[0] != 0 && value[1] != 0)) return std::nullopt;
    const bool is_packed = value[0] != 0;
    value.remove_prefix(flags);
    for (int ended = 0; ended < 2; ++ended) {  // language and translated key
        const size_t end = value.find('\0');
        if (end == value.npos) return std::nullopt;
        value.remove_prefix(end + 1);
    }
    if (is_packed) return unpacked(value);
    return std::string(value);
}

}  // namespace

PngFile::~PngFile() {
    png_destroy_read_struct(&png_, &info_, nullptr);
}

void PngFile::fail(png_structp png, const char* text) {
    static_cast<PngFile*>(png_get_error_ptr(png))->errors_.fail(text);
}

void PngFile::read(png_structp png, png_bytep out, size_t size) {
    auto& rest = static_cast<PngFile*>(png_get_io_ptr(png))->rest_;
    if (size > rest.size()) png_error(png, "it ends early");
    std::memcpy(out, rest.data(), size);
    rest = rest.subspan(size);
}

/// libpng takes as much memory as a chunk says it has bytes, before it reads any of them. Without
/// it such a chunk is left out, as a damaged one.
png_voidp PngFile::allocate(png_structp png, png_alloc_size_t size) {
    const auto* file = static_cast<const PngFile*>(png_get_mem_ptr(png));
    return size <= file->most_memory_ ? std::malloc(size) : nullptr;
}
void PngFile::release(png_structp, png_voidp memory) {
    std::free(memory);
}

bool PngFile::read_header() {
    return errors_.run([&] {
        const auto ignore = [](png_structp, const char*) {};
        most_memory_ = most_for_chunks_;
        png_ = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, this, fail, ignore, this, allocate,
                                        release);
        if (png_) info_ = png_create_info_struct(png_);
        if (!info_) errors_.fail("out of memory, or another libpng than this was built with");
        png_set_read_fn(png_, this, read);
        png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // max_pixels is the limit
        // Of a cut file the last piece that libpng asks for is lost: hence small ones (of
        // 256 bytes they would cost a tenth of the speed).
        constexpr size_t piece = 1024;
        png_set_compression_buffer_size(png_, piece);
        png_read_info(png_, info_);
        most_memory_ = SIZE_MAX;  // rows: max_pixels is their limit
    });
}

PngFile::Header PngFile::header() const {
    return {png_get_image_height(png_, info_),
            png_get_image_width(png_, info_),
            png_get_bit_depth(png_, info_),
            png_get_color_type(png_, info_),
            png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE,
            png_get_rowbytes(png_, info_)};
}

std::vector<uint8_t> PngFile::exif() const {
    png_uint_32 size = 0;
    png_bytep data = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &data) != 0) return {data, data + size};
    if (const auto chunk = find_chunk(all_, "eXIf"); !chunk.empty())
        return {chunk.begin(), chunk.end()};
    png_textp texts = nullptr;
    const int count = png_get_text(png_, info_, &texts, nullptr);
    for (int i = 0; i < count; ++i)
        if (texts[i].key == std::string_view("Raw profile type exif") && texts[i].text)
            return bytes_of_profile(texts[i].text);
    return {};
}

std::string PngFile::xmp() const {
    constexpr std::string_view key("XML:com.adobe.xmp\0", 18);
    std::string found;
    look_at_chunks(all_, [&](std::string_view chunk, std::span<const uint8_t> data) {
        if (chunk != "iTXt" && chunk != "tEXt" && chunk != "zTXt") return false;
        const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
        if (!text.starts_with(key)) return false;
        if (auto packet = text_of(chunk, text.substr(key.size()))) found = std::move(*packet);
        return false;
    });
    return found;
}

void PngFile::set_transforms(ImageMode mode) {
    const int depth = png_get_bit_depth(png_, info_);
    const int color = png_get_color_type(png_, info_);
    png_set_packing(png_);
    if (mode == ImageMode::unchanged) {
        if (color == PNG_COLOR_TYPE_GRAY && (depth == 2 || depth == 4))
            png_set_expand_gray_1_2_4_to_8(png_);
        if (depth == 16 && std::endian::native == std::endian::little) png_set_swap(png_);
        return;
    }
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    if (mode == ImageMode::rgb) png_set_gray_to_rgb(png_);
}

bool PngFile::start(ImageMode mode) {
    return errors_.run([&] {
        set_transforms(mode);
        passes_ = png_set_interlace_handling(png_);
        png_read_update_info(png_, info_);
    });
}

int PngFile::channels() const {
    return png_get_channels(png_, info_);
}

size_t PngFile::row_size() const {
    return png_get_rowbytes(png_, info_);
}

bool PngFile::read_row(uint8_t* row) {
    return errors_.run([&] { png_read_row(png_, row, nullptr); });
}

bool PngFile::finish() {
    most_memory_ = most_for_chunks_;
    return errors_.run([&] { png_read_end(png_, nullptr); });
}

}  // namespace ailab
