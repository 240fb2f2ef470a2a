#include "ailab/support/json_text.hpp"

#include <charconv>
#include <cmath>

#include "ailab/support/utf8.hpp"

namespace ailab {

std::string json_text(const std::string& text) {
    constexpr char hex[] = "0123456789abcdef";
    std::string quoted = "\"";
    for (const char c : valid_utf8(text)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20) {
            quoted += "\\u00";
            quoted += hex[byte >> 4];
            quoted += hex[byte & 15];
            continue;
        }
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

std::string json_number(double number, NotFinite not_finite) {
    if (!std::isfinite(number)) {
        if (not_finite == NotFinite::null) return "null";
        return std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
    }
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

}  // namespace ailab
