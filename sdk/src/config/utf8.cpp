#include "utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "ailab/error.hpp"
#include "ailab/support/utf8.hpp"

namespace ailab {
namespace {

bool is_continuation(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < 0x20 && c != '\t' && c != '\n' && c != '\r');
}

/// Bytes of the character at the front of `text`, and its code; 0 if it is no valid one.
size_t read_character(std::string_view text, uint32_t& code) {
    const auto lead = static_cast<unsigned char>(text[0]);
    code = lead;
    if (lead < 0x80) return 1;
    size_t size = 0;
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

size_t character_size(std::string_view text) {
    uint32_t code = 0;
    return read_character(text, code);
}

struct Invisible {
    uint32_t first, last;
    const char* name;
};

/// Unicode's spaces, format characters and fillers, as far as text of people has them.
constexpr std::array<Invisible, 24> invisible = {{
    {0x00A0, 0x00A0, "no-break space"},
    {0x00AD, 0x00AD, "soft hyphen"},
    {0x034F, 0x034F, "combining grapheme joiner"},
    {0x061C, 0x061C, "Arabic letter mark"},
    {0x115F, 0x1160, "Hangul filler"},
    {0x180E, 0x180E, "Mongolian vowel separator"},
    {0x2000, 0x200A, "a space of another width"},
    {0x200B, 0x200B, "zero-width space"},
    {0x200C, 0x200C, "zero-width non-joiner"},
    {0x200D, 0x200D, "zero-width joiner"},
    {0x200E, 0x200E, "left-to-right mark"},
    {0x200F, 0x200F, "right-to-left mark"},
    {0x2028, 0x2029, "a separator of lines"},
    {0x202A, 0x202E, "a mark of the direction of writing"},
    {0x202F, 0x202F, "narrow no-break space"},
    {0x205F, 0x205F, "a space of another width"},
    {0x2060, 0x2064, "word joiner"},
    {0x2066, 0x206F, "a mark of the direction of writing"},
    {0x3000, 0x3000, "ideographic space"},
    {0x3164, 0x3164, "Hangul filler"},
    {0xFE00, 0xFE0F, "variation selector"},
    {0xFEFF, 0xFEFF, "byte order mark"},
    {0xFFA0, 0xFFA0, "Hangul filler"},
    {0xE0000, 0xE007F, "a tag"},
}};

/// Persian, Hindi and emoji need these between their characters.
bool joins_letters(uint32_t code) {
    return code == 0x200C || code == 0x200D || (code >= 0xFE00 && code <= 0xFE0F);
}

std::string code_text(uint32_t code) {
    char text[16];
    std::snprintf(text, sizeof text, "U+%04X", unsigned(code));
    return text;
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

std::optional<OddCharacter> invisible_character(std::string_view text) {
    size_t index = 0;
    uint32_t before = 0;
    for (size_t at = 0; at < text.size(); ++index) {
        uint32_t code = 0;
        at += std::max<size_t>(1, read_character(text.substr(at), code));
        const auto* found = std::find_if(
            invisible.begin(), invisible.end(),
            [&](const Invisible& range) { return code >= range.first && code <= range.last; });
        if (found != invisible.end() && !(joins_letters(code) && before >= 0x80))
            return OddCharacter{index, concat(code_text(code), " (", found->name, ")")};
        before = code;
    }
    return std::nullopt;
}

std::string odd_character_note(std::string_view text) {
    if (const auto odd = invisible_character(text))
        return concat(" It holds ", odd->name, ", which cannot be seen.");
    for (size_t at = 0; at < text.size();) {
        uint32_t code = 0;
        const size_t size = read_character(text.substr(at), code);
        if (size > 1)
            return concat(" It holds ", code_text(code), " (", text.substr(at, size),
                          "), which is no ASCII letter.");
        at += std::max<size_t>(1, size);
    }
    return "";
}

size_t count_characters(std::string_view text) {
    size_t count = 0;
    for (const char c : text) count += is_continuation(static_cast<unsigned char>(c)) ? 0 : 1;
    return count;
}

}  // namespace ailab
