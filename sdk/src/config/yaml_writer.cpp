#include "ailab/error.hpp"
#include "formats.hpp"
#include "scalar.hpp"

namespace ailab {
namespace {

constexpr size_t widest_list = 80;

std::string scalar_yaml(const Node& node) {
    if (holds_variable(node.written)) return in_quotes(node.written);
    return node.is_string() ? quoted_if_needed(node.as_string()) : scalar_text(node.value);
}

bool is_short_list(const Node& node) {
    if (!node.is_list()) return false;
    for (const Node& item : node.items())
        if (item.is_map() || (item.is_list() && !is_short_list(item)) ||
            holds_variable(item.written))
            return false;
    return node.flow().size() <= widest_list;
}

/// Values that stand on the line of their key.
bool is_inline(const Node& node) {
    return node.is_scalar() || is_short_list(node) || (node.is_map() && node.members().empty());
}

std::string inline_yaml(const Node& node) {
    return node.is_scalar() ? scalar_yaml(node) : node.flow();
}

void write_block(const Node& node, const std::string& indent, std::string& out);

/// What follows "- ": the first line goes on there.
void write_item(const Node& item, const std::string& indent, std::string& out) {
    if (is_inline(item)) {
        out += concat(indent, "- ", inline_yaml(item), "\n");
        return;
    }
    std::string block;
    write_block(item, indent + "  ", block);
    out += concat(indent, "- ", block.substr(indent.size() + 2));
}

void write_block(const Node& node, const std::string& indent, std::string& out) {
    if (is_inline(node)) {
        out += concat(indent, inline_yaml(node), "\n");
    } else if (node.is_list()) {
        for (const Node& item : node.items()) write_item(item, indent, out);
    } else {
        for (const Member& member : node.members()) {
            out += concat(indent, quoted_if_needed(member.key), ":");
            if (is_inline(member.value)) {
                out += concat(" ", inline_yaml(member.value), "\n");
            } else {
                out += "\n";
                write_block(member.value, indent + "  ", out);
            }
        }
    }
}

}  // namespace

std::string to_yaml(const Node& node) {
    std::string out;
    write_block(node, "", out);
    return out;
}

}  // namespace ailab
