#include "json.hpp"

#include <charconv>
#include <cmath>

#include "ailab/support/utf8.hpp"

namespace ailab::wandb {

std::string json(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

std::string json(const std::string& text) {
    constexpr char hex[] = "0123456789abcdef";
    std::string quoted = "\"";
    for (const char c : valid_utf8(text)) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (uint8_t(c) < 0x20) {
            quoted += "\\u00";
            quoted += hex[uint8_t(c) >> 4];
            quoted += hex[uint8_t(c) & 15];
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string json(const Node& node) {
    if (node.is_map()) {
        std::string text = "{";
        for (const Member& member : node.members()) {
            if (text.size() > 1) text += ',';
            text += json(member.key) + ':' + json(member.value);
        }
        return text + '}';
    }
    if (node.is_list()) {
        std::string text = "[";
        for (const Node& item : node.items()) {
            if (text.size() > 1) text += ',';
            text += json(item);
        }
        return text + ']';
    }
    if (node.written.find("${") != std::string::npos) return json(node.written);
    if (node.is_bool()) return node.as_bool() ? "true" : "false";
    if (node.is_int()) return std::to_string(node.as_int());
    if (node.is_float()) return json(node.as_float());
    return node.is_string() ? json(node.as_string()) : "null";
}

}  // namespace ailab::wandb
