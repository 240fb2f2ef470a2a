#include "ailab/options.hpp"

#include <cmath>
#include <limits>

#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

using Kind = OptionSchema::Kind;

/// A number with a no-break space behind it looks like a number.
std::string invisible_note(const Node& node) {
    const bool any = node.is_string() && invisible_character(node.as_string());
    return any ? odd_character_note(node.as_string()) : "";
}

const char* const null_advice = " Give a value, or leave the key out for the default.";

/// Whether a list of such entries may be meant by one of them.
bool is_entry(const Node& node, const OptionSchema& entry) {
    switch (entry.kind) {
        case Kind::boolean:
            return node.is_bool();
        case Kind::integer:
            return node.is_int();
        case Kind::number:
            return node.is_number();
        case Kind::string:
            return node.is_string();
        default:
            return false;
    }
}

/// What to do about it, where that is not plain from what was expected.
std::string advice(const Node& node, const OptionSchema& expected) {
    if (node.is_null()) return null_advice;
    if (expected.kind == Kind::list && is_entry(node, expected.parts[0]))
        return " Write " + Node::list({node}).flow() + ".";
    if (!node.is_string()) return "";
    const std::string& text = node.as_string();
    if (expected.kind == Kind::module) return " Write {type: " + quoted_if_needed(text) + "}.";
    const bool is_bool = expected.kind == Kind::boolean;
    if (is_bool && (text == "yes" || text == "on")) return " Write true.";
    if (is_bool && (text == "no" || text == "off")) return " Write false.";
    const bool is_number = expected.kind == Kind::number || expected.kind == Kind::integer;
    const Node unquoted(resolve_scalar(text));
    if ((is_number && unquoted.is_number()) || (is_bool && unquoted.is_bool()))
        return " Leave the quotes out.";
    return "";
}

void report_type(const Node& node, const std::string& name, const std::string& expected,
                 const std::string& advice, Problems& problems) {
    problems.add(node.place, concat(name, " must be ", expected, ", got ", node.describe(), ".",
                                    advice, invisible_note(node)));
}

/// A float serves as an integer when it is one: 1e3, 2.0.
constexpr double exact_integers = 9007199254740992.0;  // 2^53

std::optional<int64_t> whole_number(const Node& node) {
    if (node.is_int()) return node.as_int();
    if (!node.is_float()) return std::nullopt;
    const double value = node.as_float();
    if (!(std::abs(value) <= exact_integers) || value != std::floor(value)) return std::nullopt;
    return int64_t(value);
}

std::optional<int64_t> read_integer(const Node& given, const Bounds& bounds,
                                    const std::string& name, int64_t min, int64_t max,
                                    Problems& problems) {
    const Node node = typed_if_expanded(given);
    const auto value = whole_number(node);
    const bool too_big = node.is_float() && std::abs(node.as_float()) > exact_integers;
    if (too_big || (value && (*value < min || *value > max))) {
        const char* bits = max == std::numeric_limits<int>::max() ? "32" : "64";
        detail::wrong_type(node, name, concat("an integer that fits ", bits, " bits"), problems);
        return std::nullopt;
    }
    if (!value) {
        detail::wrong_type(node, name, OptionSchema::of(Kind::integer), problems);
        return std::nullopt;
    }
    // A double would show other digits of a large one.
    if (!bounds.check(double(*value)).empty())
        detail::check_bounds(node, name, concat("must be ", bounds.str(), ", got ", *value),
                             problems);
    return value;
}

}  // namespace

OptionVisitor::~OptionVisitor() = default;

namespace detail {

void wrong_type(const Node& node, const std::string& name, const OptionSchema& expected,
                Problems& problems) {
    report_type(node, name, expected.phrase(), advice(node, expected), problems);
}

void wrong_type(const Node& node, const std::string& name, const std::string& expected,
                Problems& problems) {
    report_type(node, name, expected, node.is_null() ? null_advice : "", problems);
}

void check_bounds(const Node& node, const std::string& name, const std::string& complaint,
                  Problems& problems) {
    if (complaint.empty()) return;
    const bool ended = complaint.back() == '?' || complaint.back() == '.';
    problems.add(node.place, concat(name, " ", complaint, ended ? "" : "."));
}

}  // namespace detail

OptionSchema OptionType<bool>::schema() {
    return OptionSchema::of(Kind::boolean);
}
void OptionType<bool>::read(const Node& given, bool& field, const Bounds&, const std::string& name,
                            Problems& problems) {
    const Node node = typed_if_expanded(given);
    if (!node.is_bool()) return detail::wrong_type(node, name, schema(), problems);
    field = node.as_bool();
}
Node OptionType<bool>::write(const bool& field) {
    return Node(Node::Value(field));
}

OptionSchema OptionType<int>::schema() {
    return OptionSchema::of(Kind::integer);
}
void OptionType<int>::read(const Node& node, int& field, const Bounds& bounds,
                           const std::string& name, Problems& problems) {
    using Limits = std::numeric_limits<int>;
    if (auto value = read_integer(node, bounds, name, Limits::min(), Limits::max(), problems))
        field = int(*value);
}
Node OptionType<int>::write(const int& field) {
    return Node(Node::Value(int64_t(field)));
}

OptionSchema OptionType<int64_t>::schema() {
    return OptionSchema::of(Kind::integer);
}
void OptionType<int64_t>::read(const Node& node, int64_t& field, const Bounds& bounds,
                               const std::string& name, Problems& problems) {
    using Limits = std::numeric_limits<int64_t>;
    if (auto value = read_integer(node, bounds, name, Limits::min(), Limits::max(), problems))
        field = *value;
}
Node OptionType<int64_t>::write(const int64_t& field) {
    return Node(Node::Value(field));
}

OptionSchema OptionType<double>::schema() {
    return OptionSchema::of(Kind::number);
}
void OptionType<double>::read(const Node& given, double& field, const Bounds& bounds,
                              const std::string& name, Problems& problems) {
    const Node node = typed_if_expanded(given);
    if (!node.is_number()) return detail::wrong_type(node, name, schema(), problems);
    // What a module takes by itself may be said too: the run's own record of its options does.
    const double given_before = std::exchange(field, node.as_float());
    const bool is_default =
        given_before == field || (std::isnan(given_before) && std::isnan(field));
    const bool may_be_infinite = bounds.max && std::isinf(*bounds.max);
    if (!is_default && (std::isnan(field) || (std::isinf(field) && !may_be_infinite)))
        return problems.add(node.place, concat(name, " must be a finite number, got ", field, "."));
    detail::check_bounds(node, name, bounds.check(field), problems);
}
Node OptionType<double>::write(const double& field) {
    return Node(Node::Value(field));
}

OptionSchema OptionType<std::string>::schema() {
    return OptionSchema::of(Kind::string);
}
void OptionType<std::string>::read(const Node& node, std::string& field, const Bounds& bounds,
                                   const std::string& name, Problems& problems) {
    if (!node.is_scalar() || node.is_null())
        return detail::wrong_type(node, name, schema(), problems);
    // `name: 2026.10` means those characters, not the number.
    const bool as_written =
        !node.is_string() && !node.written.empty() && !holds_variable(node.written);
    field = as_written ? node.written : scalar_text(node.value);
    detail::check_bounds(node, name, bounds.check(field), problems);
}
Node OptionType<std::string>::write(const std::string& field) {
    return Node::string(field);
}

OptionSchema OptionType<Node>::schema() {
    return OptionSchema::of(Kind::anything);
}
void OptionType<Node>::read(const Node& node, Node& field, const Bounds&, const std::string&,
                            Problems&) {
    field = node;
}
Node OptionType<Node>::write(const Node& field) {
    return field;
}

}  // namespace ailab
