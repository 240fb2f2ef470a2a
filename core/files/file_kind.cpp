#include "file_kind.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr uint64_t looked_at = 512;
constexpr size_t longest_quote = 40;
constexpr size_t bytes_shown = 8;

/// As far as the first bytes tell; UTF-8 counts.
bool is_text(const std::string& start) {
    return std::all_of(start.begin(), start.end(), [](char c) {
        return uint8_t(c) >= 0x20 ? c != 0x7f : c == '\n' || c == '\r' || c == '\t';
    });
}

/// The first line that is not empty, not too long, no letter of it cut in two.
std::string first_words(const std::string& text) {
    const size_t begin = text.find_first_not_of("\r\n\t ");
    if (begin == std::string::npos) return "";
    std::string line = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
    if (line.size() <= longest_quote) return line;
    size_t end = longest_quote;
    while (end > 0 && (uint8_t(line[end]) & 0xc0) == 0x80) --end;
    return line.substr(0, end) + "…";
}

std::string hex_of(const std::string& bytes) {
    std::string text;
    for (const char byte : bytes) {
        char hex[4];
        std::snprintf(hex, sizeof hex, " %02x", uint8_t(byte));
        text += hex;
    }
    return text;
}

}  // namespace

bool is_safetensors(const InputFile& file) {
    unsigned char start[9];
    if (file.size() < sizeof start) return false;
    file.read(start, sizeof start, 0);
    return start[8] == '{' &&
           std::all_of(start + 4, start + 8, [](auto byte) { return byte == 0; });
}

std::string describe_kind(const InputFile& file) {
    if (file.size() == 0) return "an empty file";
    if (is_safetensors(file)) return "a safetensors file";
    std::string start(size_t(std::min(looked_at, file.size())), '\0');
    file.read(start.data(), start.size(), 0);
    if (is_text(start)) return concat("a text that begins with \"", first_words(start), "\"");
    return concat("a file that begins with the bytes", hex_of(start.substr(0, bytes_shown)));
}

}  // namespace ailab
