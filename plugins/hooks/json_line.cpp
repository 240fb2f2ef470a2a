#include "json_line.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "ailab/support/utf8.hpp"

namespace ailab {
namespace {

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : valid_utf8(text)) {
        if (c == '"' || c == '\\') result += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) {
            result += c;
            continue;
        }
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(c));
        result += escape;
    }
    return result + '"';
}

template <class Number>
std::string number_text(Number number) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return std::string(text, end);
}

}  // namespace

void JsonLine::key(const std::string& key) {
    if (!text_.empty()) text_ += ", ";
    text_ += quoted(key) + ": ";
}

JsonLine& JsonLine::add(const std::string& name, const std::string& text) {
    key(name);
    text_ += quoted(text);
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, int64_t number) {
    key(name);
    text_ += number_text(number);
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, double number) {
    key(name);
    text_ += std::isfinite(number) ? number_text(number) : "null";
    return *this;
}

JsonLine& JsonLine::add(const std::string& name, const std::vector<int64_t>& numbers) {
    key(name);
    text_ += '[';
    for (size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0) text_ += ", ";
        text_ += number_text(numbers[i]);
    }
    text_ += ']';
    return *this;
}

}  // namespace ailab
