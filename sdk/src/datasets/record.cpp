#include "ailab/datasets/record.hpp"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "about_delimiter.hpp"
#include "ailab/support/number_text.hpp"
#include "config/scalar.hpp"

namespace ailab {

namespace {

/// Text without the blanks and the byte order mark around it, as pandas reads a number.
std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\v\f", mark = "\xef\xbb\xbf";
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
    const size_t first = text.find_first_not_of(blanks);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The number that text stands for as a whole, or nothing.
bool to_number(const Node& node, double& number) {
    if (node.is_number()) {
        number = node.as_float();
        return true;
    }
    if (!node.is_string()) return false;
    const std::optional<double> read = parse_number(trimmed(node.as_string()));
    number = read.value_or(0);
    return read.has_value();
}

/// The whole number that a value stands for, as the labels of the built-in datasets are read: 3,
/// 3.0, " 3", 3e0, +3; true is 1.
std::optional<int64_t> to_integer(const Node& node) {
    if (node.is_int()) return node.as_int();
    if (node.is_bool()) return int64_t(node.as_bool());
    if (node.is_string()) {
        std::string_view text = trimmed(node.as_string());
        if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
        int64_t whole = 0;
        const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), whole);
        // More than 64 bits are no double that happens to be near.
        if (!text.empty() && stop == text.data() + text.size())
            return status == std::errc() ? std::optional(whole) : std::nullopt;
    }
    double value = 0;
    constexpr double limit = 9223372036854775808.0;  // 2^63
    const bool fits = to_number(node, value) && value >= -limit && value < limit;
    return fits && value == std::floor(value) ? std::optional(int64_t(value)) : std::nullopt;
}

}  // namespace

Record::Record(Node values) : values_(std::move(values)) {}

std::string Record::place() const {
    return values_.place.str();
}

void Record::fail(const std::string& what) const {
    throw BrokenSample(values_.place, what);
}

const Node* Record::find(const std::string& key) const {
    if (!values_.is_map()) return nullptr;
    const Node::Map& members = values_.members();
    for (size_t i = 0; i < members.size(); ++i, ++next_) {
        if (next_ >= members.size()) next_ = 0;
        if (members[next_].key == key) return &members[next_++].value;
    }
    return nullptr;
}

const Node& Record::node(const std::string& key) const {
    if (const Node* found = find(key)) return *found;
    constexpr size_t most = 20;  // tables may have thousands
    std::vector<std::string> keys;
    for (const Member& member : values_.members()) {
        keys.push_back(keys.size() < most ? member.key : "…");
        if (keys.size() > most) break;
    }
    fail(concat("there is no ", in_quotes(key), "; there are: ", keys.empty() ? "none" : join(keys),
                about_delimiter(keys)));
}

std::string Record::text(const std::string& key) const {
    const Node& value = node(key);
    if (!value.is_scalar() || value.is_null())
        fail(concat(in_quotes(key), " must be text, got ", value.describe()));
    if (value.is_string() && value.as_string().find('\0') != std::string::npos)
        fail(concat(in_quotes(key), " holds the character 0: ", in_quotes(value.as_string())));
    return value.is_string() ? value.as_string() : scalar_text(value.value);
}

double Record::number(const std::string& key) const {
    double number = 0;
    const Node& value = node(key);
    if (!to_number(value, number))
        fail(concat(in_quotes(key), " must be a number, got ", value.describe()));
    return number;
}

int64_t Record::integer(const std::string& key) const {
    const Node& value = node(key);
    if (const std::optional<int64_t> number = to_integer(value)) return *number;
    fail(concat(in_quotes(key), " must be an integer, got ", value.describe()));
}

std::vector<double> Record::numbers(const std::string& key) const {
    const Node& value = node(key);
    if (!value.is_list()) return {number(key)};
    std::vector<double> numbers(value.items().size());
    for (size_t i = 0; i < numbers.size(); ++i)
        if (!to_number(value.items()[i], numbers[i]))
            fail(concat(in_quotes(key), "[", i, "] must be a number, got ",
                        value.items()[i].describe()));
    return numbers;
}

}  // namespace ailab
