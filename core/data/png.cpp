// A PNG file (ISO/IEC 15948) of 8 bits a channel.
#include <ATen/ATen.h>
#include <zlib.h>

#include <sstream>

#include "ailab/error.hpp"
#include "ailab/image.hpp"

namespace ailab {
namespace {

void append_big_endian(std::string& out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += char(value >> shift);
}

void append_chunk(std::string& out, const std::string& type, const std::string& data) {
    append_big_endian(out, uint32_t(data.size()));
    const std::string body = type + data;
    out += body;
    append_big_endian(
        out, uint32_t(crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()))));
}

std::string deflated(const std::string& data) {
    uLongf size = compressBound(uLong(data.size()));
    std::string result(size, '\0');
    if (compress(reinterpret_cast<Bytef*>(result.data()), &size,
                 reinterpret_cast<const Bytef*>(data.data()), uLong(data.size())) != Z_OK)
        throw Error("cannot compress an image: out of memory");
    result.resize(size);
    return result;
}

}  // namespace

std::string encode_png(const at::Tensor& pixels) {
    const bool is_image = pixels.defined() && pixels.dim() == 3 && pixels.numel() > 0 &&
                          pixels.scalar_type() == at::kByte;
    const int64_t channels = is_image ? pixels.size(0) : 0;
    if (channels != 1 && channels != 3 && channels != 4) {
        std::ostringstream text;
        if (pixels.defined()) text << pixels.sizes() << ' ' << c10::toString(pixels.scalar_type());
        throw Error(
            concat("a PNG is made of uint8 pixels [C, H, W], C being 1, 3 or 4; got ", text.str()));
    }
    const int64_t height = pixels.size(1), width = pixels.size(2);
    const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous();
    const auto* bytes = reinterpret_cast<const char*>(rows.const_data_ptr<uint8_t>());
    const char color_type = channels == 1 ? 0 : channels == 3 ? 2 : 6;
    std::string header;
    append_big_endian(header, uint32_t(width));
    append_big_endian(header, uint32_t(height));
    header += {8, color_type, 0, 0, 0};  // bits; compression, filters and order: the only ones

    const size_t row = size_t(width) * size_t(channels);
    std::string lines;
    lines.reserve((row + 1) * size_t(height));
    for (size_t y = 0; y < size_t(height); ++y) {
        lines += '\0';  // no filter
        lines.append(bytes + y * row, row);
    }
    std::string file = "\x89PNG\r\n\x1a\n";
    append_chunk(file, "IHDR", header);
    append_chunk(file, "IDAT", deflated(lines));
    append_chunk(file, "IEND", "");
    return file;
}

}  // namespace ailab
