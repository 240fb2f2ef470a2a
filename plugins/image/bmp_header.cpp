#include "bmp_header.hpp"

#include <algorithm>
#include <cstdlib>

#include "ailab/error.hpp"

namespace ailab {

namespace {

/// Little-endian; 0 where the file has ended.
uint32_t number(std::span<const uint8_t> file, size_t offset, size_t size) {
    uint32_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | (offset + i < file.size() ? file[offset + i] : 0u);
    return value;
}

enum Compression : uint32_t { none = 0, run_length_8 = 1, run_length_4 = 2, bit_fields = 3 };

constexpr size_t file_header_size = 14;
constexpr uint32_t core_header_size = 12;  // OS/2 1.x
constexpr uint32_t info_header_size = 40;

std::string check_kind(const BmpHeader& header, uint32_t compression) {
    const int bits = header.bits;
    const bool has_colors = bits == 16 || bits == 24 || bits == 32;
    if (bits != 1 && bits != 4 && bits != 8 && !has_colors)
        return concat("it has ", bits, " bits a pixel; 1, 4, 8, 16, 24 and 32 are supported");
    const bool is_known = compression == none || (compression == run_length_8 && bits == 8) ||
                          (compression == run_length_4 && bits == 4) ||
                          (compression == bit_fields && has_colors);
    if (!is_known)
        return concat("its compression ", compression, " of ", bits,
                      " bits a pixel is not supported");
    if (header.run_lengths && header.top_down) return "it is compressed and stored top down";
    return "";
}

void read_masks(std::span<const uint8_t> file, uint32_t header_size, uint32_t compression,
                BmpHeader& header) {
    constexpr size_t masks_at = file_header_size + info_header_size;
    if (compression == bit_fields) {
        const bool has_alpha = header_size >= 56;
        for (size_t i = 0; i < (has_alpha ? 4 : 3); ++i)
            header.masks[i] = number(file, masks_at + 4 * i, 4);
        if (header.masks != std::array<uint32_t, 4>{}) return;
        header.masks[3] = header.bits == 32 ? 0xFF000000 : 0;
    }
    if (header.bits == 16)
        std::copy_n(std::array{0x7C00u, 0x3E0u, 0x1Fu}.begin(), 3, header.masks.begin());
    else
        std::copy_n(std::array{0xFF0000u, 0xFF00u, 0xFFu}.begin(), 3, header.masks.begin());
}

}  // namespace

std::string read_bmp_header(std::span<const uint8_t> file, BmpHeader& header) {
    const uint32_t size = number(file, file_header_size, 4);
    const bool is_core = size == core_header_size;
    if (file.size() < file_header_size + size) return "it ends in its header";
    uint32_t compression = none, colors = 0;
    if (is_core) {
        header.width = number(file, 18, 2);
        header.height = number(file, 20, 2);
        header.bits = int(number(file, 24, 2));
    } else {
        header.width = int32_t(number(file, 18, 4));
        header.height = int32_t(number(file, 22, 4));
        header.bits = int(number(file, 28, 2));
        compression = number(file, 30, 4);
        colors = number(file, 46, 4);
    }
    header.top_down = header.height < 0;
    header.height = std::abs(header.height);
    header.run_lengths = compression == run_length_8 || compression == run_length_4;
    if (const std::string problem = check_kind(header, compression); !problem.empty())
        return problem;

    size_t end = file_header_size + size;
    if (header.has_palette()) {
        const size_t entry_size = is_core ? 3 : 4;
        const size_t most = size_t(1) << header.bits;
        const size_t entries = colors == 0 ? most : std::min<size_t>(colors, most);
        for (size_t i = 0; i < entries; ++i)
            for (size_t c = 0; c < 3; ++c)  // stored as blue, green, red
                header.palette[i][c] = uint8_t(number(file, end + entry_size * i + 2 - c, 1));
        end += entry_size * entries;
    } else {
        read_masks(file, size, compression, header);
        if (compression == bit_fields && size == info_header_size) end += 12;
    }
    header.pixels_at = std::max<size_t>(number(file, 10, 4), end);
    return "";
}

}  // namespace ailab
