#include "scalar.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "ailab/error.hpp"

namespace ailab {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_one_of(const std::string& text, std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), text) != names.end();
}

std::optional<Node::Value> as_integer(const std::string& text) {
    const bool negative = text[0] == '-';
    const size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
    int base = 10;
    size_t begin = sign;
    if (sign == 0 && text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
        base = text[1] == 'x' ? 16 : 8;
        begin = 2;
    }
    if (begin == text.size()) return std::nullopt;
    if (base == 10) {
        if (!std::all_of(text.begin() + begin, text.end(), is_digit)) return std::nullopt;
        if (text[begin] == '0' && text.size() > begin + 1) return std::nullopt;
    }
    int64_t value = 0;
    // from_chars knows '-' itself, which keeps the most negative number in range.
    const char* first = text.data() + (negative ? 0 : begin);
    const char* last = text.data() + text.size();
    const auto [end, status] = std::from_chars(first, last, value, base);
    if (end != last || status != std::errc()) return std::nullopt;
    return Node::Value(value);
}

/// [-+]? ( \.[0-9]+ | [0-9]+ (\.[0-9]*)? ) ( [eE] [-+]? [0-9]+ )?
bool looks_like_float(const std::string& text) {
    size_t i = text[0] == '-' || text[0] == '+' ? 1 : 0;
    const auto digits = [&] {
        const size_t from = i;
        while (i < text.size() && is_digit(text[i])) ++i;
        return i - from;
    };
    const size_t start = i;
    const size_t whole = digits();
    if (whole > 1 && text[start] == '0' && i == text.size()) return false;  // 007
    size_t fraction = 0;
    if (i < text.size() && text[i] == '.') {
        ++i;
        fraction = digits();
    }
    if (whole + fraction == 0) return false;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
        if (digits() == 0) return false;
    }
    return i == text.size();
}

std::optional<Node::Value> as_float(const std::string& text) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const bool negative = text[0] == '-';
    const std::string unsigned_text = text[0] == '-' || text[0] == '+' ? text.substr(1) : text;
    if (is_one_of(unsigned_text, {".inf", ".Inf", ".INF", "inf"}))
        return Node::Value(negative ? -infinity : infinity);
    if (is_one_of(text, {".nan", ".NaN", ".NAN", "nan"}))
        return Node::Value(std::numeric_limits<double>::quiet_NaN());
    if (!looks_like_float(text)) return std::nullopt;
    double value = 0;
    const char* first = text.data() + (text[0] == '+' ? 1 : 0);
    const char* last = text.data() + text.size();
    const auto [end, status] = std::from_chars(first, last, value);
    if (end != last || status != std::errc()) return std::nullopt;  // 1e999
    return Node::Value(value);
}

/// Words that YAML 1.1 readers (PyYAML) do not read as strings.
bool is_word_of_older_yaml(const std::string& text) {
    return is_one_of(text, {"yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off",
                            "OFF", "y", "Y", "n", "N"});
}

bool reads_back_plain(const std::string& text) {
    if (text.empty() || !std::holds_alternative<std::string>(resolve_scalar(text))) return false;
    if (is_word_of_older_yaml(text) || text == "...") return false;
    const char first = text[0];
    if (!is_letter(first) && first != '_' && first != '/' && first != '.') return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c) ||
               std::string_view("_-./+=@~").find(c) != std::string_view::npos;
    });
}

std::string float_text(double value) {
    if (std::isnan(value)) return ".nan";
    if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
    std::string text = detail::to_text(value);
    // 1e+20 is a string to YAML 1.1 readers, and 1 is an integer to all.
    if (text.find('.') == std::string::npos) {
        const size_t exponent = text.find('e');
        text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
    }
    return text;
}

}  // namespace

Node::Value resolve_scalar(const std::string& text) {
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return std::monostate();
    if (is_one_of(text, {"true", "True", "TRUE"})) return true;
    if (is_one_of(text, {"false", "False", "FALSE"})) return false;
    if (auto value = as_integer(text)) return *value;
    if (auto value = as_float(text)) return *value;
    return text;
}

bool is_written_in_full(double value) {
    return std::abs(value) < 1e15 && value == std::floor(value);
}

bool holds_variable(const std::string& text) {
    return text.find("${") != std::string::npos;
}

Node typed_if_expanded(const Node& node) {
    if (!node.is_string() || !holds_variable(node.written)) return node;
    Node typed = node;
    typed.value = resolve_scalar(node.as_string());
    return typed;
}

std::string scalar_text(const Node::Value& value) {
    if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
    if (const auto* v = std::get_if<int64_t>(&value)) return std::to_string(*v);
    if (const auto* v = std::get_if<double>(&value)) return float_text(*v);
    if (const auto* v = std::get_if<std::string>(&value)) return *v;
    return "null";
}

std::string in_quotes(const std::string& text) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string quoted_if_needed(const std::string& text) {
    return reads_back_plain(text) ? text : in_quotes(text);
}

}  // namespace ailab
