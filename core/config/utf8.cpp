#include "utf8.hpp"

#include <algorithm>
#include <cstdint>

#include "ailab/utf8.hpp"

namespace ailab {
namespace {

bool is_continuation(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < 0x20 && c != '\t' && c != '\n' && c != '\r');
}

/// Bytes of the character at the front of `text`, or 0 if it is no valid one.
size_t character_size(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return 1;
    size_t size = 0;
    uint32_t code = 0;
    uint32_t least = 0;
    if ((lead & 0xE0) == 0xC0) {
        size = 2, code = lead & 0x1F, least = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
        size = 3, code = lead & 0x0F, least = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
        size = 4, code = lead & 0x07, least = 0x10000;
    } else {
        return 0;
    }
    if (text.size() < size) return 0;
    for (size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (!is_continuation(byte)) return 0;
        code = (code << 6) | (byte & 0x3F);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least || surrogate || code > 0x10FFFF ? 0 : size;
}

}  // namespace

size_t find_bad_byte(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        const size_t size = character_size(text.substr(at));
        if (size == 0 || is_control(text[at])) return at;
        at += size;
    }
    return std::string_view::npos;
}

std::string valid_utf8(std::string_view text) {
    std::string valid;
    for (size_t at = 0; at < text.size();) {
        const size_t size = character_size(text.substr(at));
        valid += size == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(at, size);
        at += std::max<size_t>(size, 1);
    }
    return valid;
}

size_t count_characters(std::string_view text) {
    size_t count = 0;
    for (const char c : text) count += is_continuation(static_cast<unsigned char>(c)) ? 0 : 1;
    return count;
}

}  // namespace ailab
