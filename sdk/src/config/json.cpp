#include <nlohmann/json.hpp>

#include "ailab/error.hpp"
#include "formats.hpp"
#include "json_parser.hpp"

namespace ailab {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Node& node) {
    if (node.is_null()) return nullptr;
    if (node.is_bool()) return node.as_bool();
    if (node.is_int()) return node.as_int();
    if (node.is_float()) return node.as_float();  // nlohmann writes null for NaN and infinities
    if (node.is_string()) return node.as_string();
    if (node.is_list()) {
        Json list = Json::array();
        for (const Node& item : node.items()) list.push_back(json_of(item));
        return list;
    }
    Json map = Json::object();
    for (const Member& member : node.members()) map[member.key] = json_of(member.value);
    return map;
}

}  // namespace

std::string to_json(const Node& node, int indent) {
    return json_of(node).dump(indent, ' ', false, Json::error_handler_t::replace);
}

Node from_json(const std::string& text, const std::string& source) {
    try {
        return parse_json(text, {}, {std::make_shared<const std::string>(source), 0, 0});
    } catch (const JsonProblem& error) {
        const auto [line, column] = line_and_column(text, error.byte());
        throw Error(concat(source, ": this is no valid JSON, at line ", line, ", column ", column,
                           ": ", error.what()));
    }
}

}  // namespace ailab
