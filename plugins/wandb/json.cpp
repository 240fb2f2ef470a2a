#include "json.hpp"

#include "ailab/support/json_text.hpp"

namespace ailab::wandb {

std::string json(double number) {
    return json_number(number, NotFinite::named);
}

std::string json(const std::string& text) {
    return json_text(text);
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
