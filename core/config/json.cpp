#include <limits>
#include <nlohmann/json.hpp>

#include "ailab/error.hpp"
#include "formats.hpp"

namespace ailab {
namespace {

using Json = nlohmann::ordered_json;

constexpr int max_json_depth = 512;

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

Node node_of(const Json& json, const Place& place, int depth) {
    if (depth > max_json_depth)
        throw Error(
            concat(*place.source, ": JSON is nested deeper than ", max_json_depth, " levels"));
    switch (json.type()) {
        case Json::value_t::boolean:
            return Node(Node::Value(json.get<bool>()), place);
        case Json::value_t::number_integer:
            return Node(Node::Value(json.get<int64_t>()), place);
        case Json::value_t::number_unsigned: {
            const auto value = json.get<uint64_t>();
            if (value > uint64_t(std::numeric_limits<int64_t>::max()))
                throw Error(
                    concat(*place.source, ": the integer ", value, " does not fit 64 bits"));
            return Node(Node::Value(int64_t(value)), place);
        }
        case Json::value_t::number_float:
            return Node(Node::Value(json.get<double>()), place);
        case Json::value_t::string:
            return Node::string(json.get<std::string>(), place);
        case Json::value_t::array: {
            Node list = Node::list({}, place);
            for (const Json& item : json) list.items().push_back(node_of(item, place, depth + 1));
            return list;
        }
        case Json::value_t::object: {
            Node map = Node::map({}, place);
            for (const auto& [key, value] : json.items())
                map.members().push_back({key, place, node_of(value, place, depth + 1)});
            return map;
        }
        default:
            return Node(Node::Value(), place);
    }
}

}  // namespace

std::string to_json(const Node& node, int indent) {
    return json_of(node).dump(indent, ' ', false, Json::error_handler_t::replace);
}

Node from_json(const std::string& text, const std::string& source) {
    Json json;
    try {
        json = Json::parse(text);
    } catch (const Json::exception& error) {
        throw Error(concat(source, ": this is no valid JSON: ", error.what()));
    }
    return node_of(json, {std::make_shared<const std::string>(source), 0, 0}, 0);
}

}  // namespace ailab
