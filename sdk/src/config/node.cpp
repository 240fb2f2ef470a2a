#include "ailab/node.hpp"

#include "ailab/error.hpp"
#include "scalar.hpp"

namespace ailab {

std::string Place::str() const {
    if (!source) return "";
    if (line <= 0) return *source;
    return column > 0 ? concat(*source, ":", line, ":", column) : concat(*source, ":", line);
}

Node::Node() = default;
Node::Node(Value value, Place place) : value(std::move(value)), place(std::move(place)) {}
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

Node Node::string(std::string text, Place place) {
    return Node(Value(std::move(text)), std::move(place));
}
Node Node::list() {
    return list(List());
}
Node Node::list(List items, Place place) {
    return Node(Value(std::move(items)), std::move(place));
}
Node Node::map() {
    return map(Map());
}
Node Node::map(Map members, Place place) {
    return Node(Value(std::move(members)), std::move(place));
}

const Node* Node::find(std::string_view key) const {
    if (!is_map()) return nullptr;
    for (const Member& member : members())
        if (member.key == key) return &member.value;
    return nullptr;
}

Node* Node::find(std::string_view key) {
    return const_cast<Node*>(static_cast<const Node*>(this)->find(key));
}

Node& Node::set(std::string key, Node value) {
    if (Node* present = find(key)) return *present = std::move(value);
    Place place = value.place;
    members().push_back({std::move(key), std::move(place), std::move(value)});
    return members().back().value;
}

std::string Node::describe() const {
    constexpr size_t longest = 60;
    if (is_null()) return "null";
    if (is_list()) return items().empty() ? "an empty list" : concat("a list of ", items().size());
    if (is_map()) return members().empty() ? "an empty map" : concat("a map of ", members().size());
    if (is_string()) {
        const std::string& text = as_string();
        if (text.size() <= longest) return concat("the string ", in_quotes(text));
        size_t cut = longest;  // not inside a character
        while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
        return concat("the string ", in_quotes(concat(text.substr(0, cut), "…")));
    }
    if (is_bool()) return as_bool() ? "true" : "false";
    const bool as_written = !written.empty() && !holds_variable(written);
    if (as_written) return concat("the number ", written);
    return concat("the number ", is_int() ? std::to_string(as_int()) : detail::to_text(as_float()));
}

std::string Node::flow() const {
    std::vector<std::string> parts;
    if (is_list()) {
        for (const Node& item : items()) parts.push_back(item.flow());
        return concat("[", join(parts), "]");
    }
    if (is_map()) {
        for (const Member& member : members())
            parts.push_back(concat(quoted_if_needed(member.key), ": ", member.value.flow()));
        return concat("{", join(parts), "}");
    }
    return is_string() ? quoted_if_needed(as_string()) : scalar_text(value);
}

}  // namespace ailab
