#include "ailab/datasets/record.hpp"

#include "ailab/number_text.hpp"
#include "config/scalar.hpp"

namespace ailab {

namespace {

/// The number that text stands for as a whole, or nothing.
bool to_number(const Node& node, double& number) {
    if (node.is_number()) {
        number = node.as_float();
        return true;
    }
    if (!node.is_string() || node.as_string().empty()) return false;
    const std::optional<double> read = parse_number(node.as_string());
    number = read.value_or(0);
    return read.has_value();
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
    fail(concat("there is no ", in_quotes(key),
                "; there are: ", keys.empty() ? "none" : join(keys)));
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
    if (value.is_int()) return value.as_int();
    if (value.is_string() && !value.as_string().empty()) {
        const std::string& text = value.as_string();
        char* end = nullptr;
        errno = 0;
        const long long number = std::strtoll(text.c_str(), &end, 10);
        if (end == text.c_str() + text.size() && errno == 0) return number;
    }
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
