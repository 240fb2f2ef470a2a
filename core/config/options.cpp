#include "ailab/options.hpp"

#include <cmath>
#include <limits>

#include "scalar.hpp"
#include "utf8.hpp"

namespace ailab {
namespace {

bool starts_with(const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0;
}
bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

const std::string or_null = " or null";
const std::string list_of = "list of ";
const std::string map_of = "map of ";
const std::string module_of = "module (";

std::string module_kind(const std::string& type) {
    return type.substr(module_of.size(), type.size() - module_of.size() - 1);
}

std::string plural(const std::string& type) {
    if (ends_with(type, or_null))
        return plural(type.substr(0, type.size() - or_null.size())) + " or null";
    if (starts_with(type, list_of)) return "lists of " + plural(type.substr(list_of.size()));
    if (starts_with(type, map_of)) return "maps of " + plural(type.substr(map_of.size()));
    if (starts_with(type, module_of)) return module_kind(type) + " modules";
    if (type == "integer" || type == "number" || type == "string") return type + "s";
    if (type == "bool") return "true and false";
    return type;
}

/// "list of number" -> "a list of numbers"
std::string phrase(const std::string& type) {
    if (ends_with(type, or_null))
        return phrase(type.substr(0, type.size() - or_null.size())) + or_null;
    if (starts_with(type, list_of)) return "a list of " + plural(type.substr(list_of.size()));
    if (starts_with(type, map_of)) return "a map of " + plural(type.substr(map_of.size()));
    if (starts_with(type, module_of)) return "a " + module_kind(type) + " module, {type: …}";
    if (type == "integer") return "an integer";
    if (type == "bool") return "true or false";
    if (type == "number" || type == "string") return "a " + type;
    return type;
}

/// A number with a no-break space behind it looks like a number.
std::string invisible_note(const Node& node) {
    const bool any = node.is_string() && invisible_character(node.as_string());
    return any ? odd_character_note(node.as_string()) : "";
}

/// What to do about it, where that is not plain from what was expected.
std::string advice(const Node& node, const std::string& type) {
    if (node.is_null()) return " Give a value, or leave the key out for the default.";
    const bool is_entry = (type == "list of integer" && node.is_int()) ||
                          (type == "list of number" && node.is_number()) ||
                          (type == "list of string" && node.is_string()) ||
                          (type == "list of bool" && node.is_bool());
    if (is_entry) return " Write " + Node::list({node}).flow() + ".";
    if (!node.is_string()) return "";
    const std::string& text = node.as_string();
    if (starts_with(type, module_of)) return " Write {type: " + quoted_if_needed(text) + "}.";
    if (type == "bool" && (text == "yes" || text == "on")) return " Write true.";
    if (type == "bool" && (text == "no" || text == "off")) return " Write false.";
    const Node unquoted(resolve_scalar(text));
    if ((unquoted.is_number() && (type == "number" || type == "integer")) ||
        (unquoted.is_bool() && type == "bool"))
        return " Leave the quotes out.";
    return "";
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
        detail::wrong_type(node, name, "integer", problems);
        return std::nullopt;
    }
    // A double would show other digits of a large one.
    if (!bounds.check(double(*value)).empty())
        detail::check_bounds(node, name, concat("must be ", bounds.str(), ", got ", *value),
                             problems);
    return value;
}

/// A whole number in full: 1000000000, not 1e+09.
std::string number_in_full(double value) {
    const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
    return whole ? concat(int64_t(value)) : concat(value);
}

}  // namespace

OptionVisitor::~OptionVisitor() = default;

std::string Bounds::str() const {
    if (!choices.empty()) return "one of " + join(choices);
    if (min && max && !exclusive_min && !exclusive_max)
        return concat("between ", number_in_full(*min), " and ", number_in_full(*max));
    std::vector<std::string> parts;
    if (min) parts.push_back(concat(exclusive_min ? "above " : "at least ", number_in_full(*min)));
    if (max && std::isfinite(*max))
        parts.push_back(concat(exclusive_max ? "below " : "at most ", number_in_full(*max)));
    return join(parts);
}

std::string Bounds::check(double value) const {
    // Written so that NaN is outside of any bounds.
    const bool above_min = !min || (exclusive_min ? value > *min : value >= *min);
    const bool below_max = !max || (exclusive_max ? value < *max : value <= *max);
    bool chosen = choices.empty();
    for (const std::string& choice : choices) chosen = chosen || choice == detail::to_text(value);
    if (above_min && below_max && chosen) return "";
    return concat("must be ", str(), ", got ", number_in_full(value));
}

std::string Bounds::check(const std::string& value) const {
    if (choices.empty()) return "";
    for (const std::string& choice : choices)
        if (choice == value) return "";
    const std::string nearest = nearest_name(value, choices);
    const std::string note = odd_character_note(value);
    return concat(
        "must be ", str(), ", got ", in_quotes(value),
        nearest.empty() ? (note.empty() ? "" : ".") : "; did you mean " + in_quotes(nearest) + "?",
        note);
}

namespace detail {

void wrong_type(const Node& node, const std::string& name, const std::string& expected,
                Problems& problems) {
    problems.add(node.place, concat(name, " must be ", phrase(expected), ", got ", node.describe(),
                                    ".", advice(node, expected), invisible_note(node)));
}

void check_bounds(const Node& node, const std::string& name, const std::string& complaint,
                  Problems& problems) {
    if (complaint.empty()) return;
    const bool ended = complaint.back() == '?' || complaint.back() == '.';
    problems.add(node.place, concat(name, " ", complaint, ended ? "" : "."));
}

}  // namespace detail

std::string OptionType<bool>::name() {
    return "bool";
}
void OptionType<bool>::read(const Node& given, bool& field, const Bounds&, const std::string& name,
                            Problems& problems) {
    const Node node = typed_if_expanded(given);
    if (!node.is_bool()) return detail::wrong_type(node, name, "bool", problems);
    field = node.as_bool();
}
Node OptionType<bool>::write(const bool& field) {
    return Node(Node::Value(field));
}

std::string OptionType<int>::name() {
    return "integer";
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

std::string OptionType<int64_t>::name() {
    return "integer";
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

std::string OptionType<double>::name() {
    return "number";
}
void OptionType<double>::read(const Node& given, double& field, const Bounds& bounds,
                              const std::string& name, Problems& problems) {
    const Node node = typed_if_expanded(given);
    if (!node.is_number()) return detail::wrong_type(node, name, "number", problems);
    field = node.as_float();
    const bool may_be_infinite = bounds.max && std::isinf(*bounds.max);
    if (std::isnan(field) || (std::isinf(field) && !may_be_infinite))
        return problems.add(node.place, concat(name, " must be a finite number, got ", field, "."));
    detail::check_bounds(node, name, bounds.check(field), problems);
}
Node OptionType<double>::write(const double& field) {
    return Node(Node::Value(field));
}

std::string OptionType<std::string>::name() {
    return "string";
}
void OptionType<std::string>::read(const Node& node, std::string& field, const Bounds& bounds,
                                   const std::string& name, Problems& problems) {
    if (!node.is_scalar() || node.is_null())
        return detail::wrong_type(node, name, "string", problems);
    // `name: 2026.10` means those characters, not the number.
    const bool as_written =
        !node.is_string() && !node.written.empty() && !holds_variable(node.written);
    field = as_written ? node.written : scalar_text(node.value);
    detail::check_bounds(node, name, bounds.check(field), problems);
}
Node OptionType<std::string>::write(const std::string& field) {
    return Node::string(field);
}

std::string OptionType<Node>::name() {
    return "anything";
}
void OptionType<Node>::read(const Node& node, Node& field, const Bounds&, const std::string&,
                            Problems&) {
    field = node;
}
Node OptionType<Node>::write(const Node& field) {
    return field;
}

}  // namespace ailab
