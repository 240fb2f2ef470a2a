#include "overrides.hpp"

#include <algorithm>
#include <charconv>

#include "scalar.hpp"
#include "utf8.hpp"
#include "yaml_reader.hpp"

namespace ailab {
namespace {

const std::string command_line = "command line, ";

void set_places(Node& node, const Place& place) {
    node.place = place;
    if (node.is_list()) {
        for (Node& item : node.items()) set_places(item, place);
    } else if (node.is_map()) {
        for (Member& member : node.members()) {
            member.place = place;
            set_places(member.value, place);
        }
    }
}

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> parts(1);
    for (const char c : path) {
        if (c == '.')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

bool is_number(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The list entry that `part` names, or what is wrong.
Node* list_entry(Node& list, const std::string& part, const std::string& at,
                 std::string& complaint) {
    const size_t size = list.items().size();
    size_t index = size;
    if (is_number(part)) std::from_chars(part.data(), part.data() + part.size(), index);
    if (index < size) return &list.items()[index];
    complaint = concat(in_quotes(at), " is ", list.describe(), ", which has no entry ",
                       in_quotes(part), ". ");
    complaint += size == 0   ? "Give the whole list: " + at + "=[…]."
                 : size == 1 ? "Its only entry is 0."
                             : concat("Name one of 0 to ", size - 1, ".");
    return nullptr;
}

/// The node that the path names, made where a map lacks it; nullptr and a complaint otherwise.
Node* reach(Node& root, const std::vector<std::string>& parts, const Place& place,
            std::string& complaint) {
    Node* node = &root;
    std::string at;
    for (const std::string& part : parts) {
        if (node->is_list()) {
            node = list_entry(*node, part, at, complaint);
            if (!node) return nullptr;
        } else {
            if (node->is_null()) {
                if (is_number(part)) {
                    complaint = concat(in_quotes(at), " is not given, so it has no entry ", part,
                                       ". Give the whole list: ", at, "=[…].");
                    return nullptr;
                }
                *node = Node::map({}, place);
            }
            if (!node->is_map()) {
                complaint = concat(in_quotes(at), " is ", node->describe(), " and holds no key ",
                                   in_quotes(part), ".");
                return nullptr;
            }
            Node* member = node->find(part);
            node = member ? member : &node->set(part, Node(Node::Value(), place));
        }
        at += (at.empty() ? "" : ".") + part;
    }
    return node;
}

}  // namespace

Place override_place(const std::string& text, int number) {
    return {std::make_shared<const std::string>(command_line + text), 0, number};
}

bool is_override(const Place& place) {
    return place.source && place.line == 0 && place.source->starts_with(command_line);
}

void apply_override(Node& root, const std::string& text, int number, Problems& problems) {
    const Place place = override_place(text, number);
    const size_t equals = text.find('=');
    const std::vector<std::string> parts = split(text.substr(0, equals));
    const bool has_empty_part = std::find(parts.begin(), parts.end(), "") != parts.end();
    if (equals == std::string::npos || has_empty_part) {
        problems.add(place, "an override is key=value, as in data.train.root=/data.");
        return;
    }
    if (const auto odd = invisible_character(text.substr(0, equals))) {
        problems.add(place, concat("the key holds ", odd->name, " at its character ",
                                   odd->index + 1, ", which cannot be seen. Type the key anew."));
        return;
    }
    Problems in_value;
    Node value = read_yaml(text.substr(equals + 1), "", in_value);
    for (const Problem& problem : in_value.list())
        problems.add(place, concat("the value, at its character ", problem.place.column, ": ",
                                   problem.text));
    if (!in_value.empty()) return;
    set_places(value, place);

    Node changed = root;  // what was made on the way must not stay if the path ends nowhere
    std::string complaint;
    Node* target = reach(changed, parts, place, complaint);
    if (!target) return problems.add(place, std::move(complaint));
    *target = std::move(value);
    root = std::move(changed);
}

}  // namespace ailab
