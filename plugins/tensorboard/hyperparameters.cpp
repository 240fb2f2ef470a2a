#include "hyperparameters.hpp"

#include <algorithm>

#include "ailab/error.hpp"
#include "events.hpp"

namespace ailab::tensorboard {
namespace {

using wire::Message;

bool is_expanded(const Node& node) {
    return node.written.find("${") != std::string::npos;
}

bool holds_scalars_alone(const Node& list) {
    return std::all_of(list.items().begin(), list.items().end(),
                       [](const Node& item) { return item.is_scalar() && !is_expanded(item); });
}

void collect(const Node& node, const std::string& path,
             std::vector<std::pair<std::string, Node>>& found) {
    const std::string start = path.empty() ? "" : path + ".";
    if (node.is_map()) {
        for (const Member& member : node.members())
            collect(member.value, start + member.key, found);
    } else if (node.is_list() && holds_scalars_alone(node)) {
        found.emplace_back(path, Node::string(node.flow()));
    } else if (node.is_list()) {
        for (size_t i = 0; i < node.items().size(); ++i)
            collect(node.items()[i], concat(start, i), found);
    } else if (is_expanded(node)) {
        found.emplace_back(path, Node::string(node.written));
    } else if (!node.is_null()) {
        found.emplace_back(path, node);
    }
}

/// A google.protobuf.Value.
Message value_of(const Node& node) {
    if (node.is_bool()) return Message().add(4, node.as_bool());
    if (node.is_number()) return Message().add(2, node.as_float());
    return Message().add(3, node.as_string());
}

}  // namespace

std::vector<std::pair<std::string, Node>> flatten(const Node& config) {
    std::vector<std::pair<std::string, Node>> found;
    collect(config, "", found);
    return found;
}

Message session_start(const Node& config, double time) {
    Message start;
    for (const auto& [name, value] : flatten(config))
        start.add(1, Message().add(1, name).add(2, value_of(value)));
    start.add(5, time);
    return plugin_value("_hparams_/session_start_info", "hparams", Message().add(3, start));
}

Message session_end(double time) {
    constexpr int success = 1;
    return plugin_value("_hparams_/session_end_info", "hparams",
                        Message().add(4, Message().add(1, success).add(2, time)));
}

}  // namespace ailab::tensorboard
