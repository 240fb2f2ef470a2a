#include "text_width.hpp"

#include <algorithm>
#include <cstdint>

namespace ailab {
namespace {

struct Range {
    char32_t first, last;
};

// Not wcwidth(), which knows only what the process's locale knows, and the locale is "C". The
// tables follow the Unicode Character Database 15.1, in blocks: EastAsianWidth.txt's W and F, and
// the general categories Mn, Me and Cf, of the scripts that people write names in.
constexpr Range wide[] = {
    {0x1100, 0x115F},    // Hangul
    {0x2E80, 0x303E},    // CJK radicals, punctuation
    {0x3041, 0xA4CF},    // kana, CJK, Yi
    {0xA960, 0xA97F},    // Hangul
    {0xAC00, 0xD7A3},    // Hangul
    {0xF900, 0xFAFF},    // CJK compatibility
    {0xFE10, 0xFE19},    // vertical forms
    {0xFE30, 0xFE6F},    // CJK compatibility forms
    {0xFF01, 0xFF60},    // full-width forms
    {0xFFE0, 0xFFE6},    // full-width signs
    {0x1F300, 0x1F64F},  // pictographs
    {0x1F680, 0x1F6FF},  // transport
    {0x1F900, 0x1FAFF},  // more pictographs
    {0x20000, 0x3FFFD},  // rarer CJK
};
constexpr Range without_width[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},   {0x064B, 0x065F},
    {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},   {0x200B, 0x200F},
    {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20F0}, {0x302A, 0x302D},   {0x3099, 0x309A},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

template <size_t N>
bool is_in(const Range (&ranges)[N], char32_t c) {
    return std::any_of(std::begin(ranges), std::end(ranges),
                       [c](const Range& range) { return c >= range.first && c <= range.last; });
}

struct Character {
    size_t bytes = 1;
    size_t columns = 1;
    bool drawable = false;
};

/// The first character of a text that is not empty.
Character first(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {1, 1, lead >= 0x20 && lead != 0x7F};
    const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (bytes == 0 || lead > 0xF4 || bytes > text.size()) return {};
    char32_t c = lead & (0xFFU >> (bytes + 1));
    for (size_t i = 1; i < bytes; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0) != 0x80) return {};
        c = (c << 6) | (next & 0x3FU);
    }
    if (c < 0xA0) return {bytes, 1, false};  // C1 controls
    return {bytes, is_in(without_width, c) ? 0UL : is_in(wide, c) ? 2UL : 1UL, true};
}

}  // namespace

size_t text_width(std::string_view text) {
    size_t columns = 0;
    while (!text.empty()) {
        const Character c = first(text);
        columns += c.columns;
        text.remove_prefix(c.bytes);
    }
    return columns;
}

std::string cut_text(std::string_view text, size_t columns) {
    std::string result;
    while (!text.empty()) {
        const Character c = first(text);
        if (c.columns > columns) break;
        columns -= c.columns;
        result += c.drawable ? text.substr(0, c.bytes) : "?";
        text.remove_prefix(c.bytes);
    }
    return result;
}

}  // namespace ailab
