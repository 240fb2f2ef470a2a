#include "compare_ranks.hpp"

#include <algorithm>

#include "ailab/log.hpp"
#include "config/formats.hpp"
#include "config_changes.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

constexpr const char* config_key = "config";
constexpr const char* plugins_key = "plugins";

Node describe_rank(const RunConfig& config) {
    Node plugins = Node::map();
    for (const LoadedPlugin& plugin : PluginHost::instance().loaded()) {
        Node entry = Node::map();
        entry.set("build", Node::string(concat(plugin.version, " ", plugin.build_id)));
        entry.set("path", Node::string(plugin.path));
        plugins.set(plugin.name, std::move(entry));
    }
    Node rank = Node::map();
    rank.set(config_key, config.resolved);
    rank.set(plugins_key, std::move(plugins));
    return rank;
}

/// "none", or "1.0 4f3a… (/home/me/libmy.so)".
std::string plugin_text(const Node* plugin) {
    if (!plugin) return "none";
    return concat(plugin->find("build")->as_string(), " (", plugin->find("path")->as_string(), ")");
}

/// One rank's stale plugin would hang the others at their first collective.
void compare_plugins(const Node& first, const Node& other, size_t rank) {
    for (const auto& [one, two] : {std::pair(&first, &other), std::pair(&other, &first)})
        for (const Member& member : one->members()) {
            const Node* mine = first.find(member.key);
            const Node* theirs = other.find(member.key);
            if (mine && theirs &&
                mine->find("build")->as_string() == theirs->find("build")->as_string())
                continue;
            throw Error(concat("rank ", rank, " has another build of the plugin ", member.key,
                               " than rank 0:\nrank 0: ", plugin_text(mine), "\nrank ", rank, ": ",
                               plugin_text(theirs),
                               "\nCopy the same files to all hosts, or use a shared path."));
        }
}

/// The value at a dotted path, or nullptr.
const Node* value_at(const Node& tree, const std::string& key) {
    const Node* node = &tree;
    for (size_t from = 0; node && from <= key.size();) {
        const size_t dot = std::min(key.find('.', from), key.size());
        node = node->find(key.substr(from, dot - from));
        from = dot + 1;
    }
    return node;
}

/// A rank's value for a message; as it was written, if that may hide a secret.
std::string shown_of_rank(const RunConfig& config, const std::string& key, const Node* value) {
    const Node* own = value_at(config.resolved, key);
    Node shown = value ? *value : Node();
    if (own && shown.is_scalar()) shown.written = own->written;
    return shown_value(&shown);
}

void compare_rank_configs(const RunConfig& config, const Node& first, const Node& other,
                          size_t rank, bool tell) {
    Problems problems;
    for_each_difference(
        first, other, [&](const std::string& key, const Node* at_first, const Node* at_other) {
            if (key == plugins_key) return;  // their builds are compared
            const bool is_place = at_first && at_other && is_other_place(key, *at_first, *at_other);
            if (is_place) {
                if (tell)
                    log_info(key, " is ", shown_of_rank(config, key, at_first), " on rank 0 and ",
                             shown_of_rank(config, key, at_other), " on rank ", rank,
                             ": the same data are expected there");
                return;
            }
            problems.add(
                place_of(config.source, key),
                concat("rank ", rank, " has another ", key, " than rank 0; give all ranks ",
                       "the same file, overrides and environment variables (on rank 0: ",
                       shown_of_rank(config, key, at_first), ", on rank ", rank, ": ",
                       shown_of_rank(config, key, at_other), ")"));
        });
    problems.check();
}

}  // namespace

void compare_ranks(Job& job, const RunConfig& config) {
    const std::vector<std::string> all = job.exchange("plugins", to_json(describe_rank(config)));
    const Node first = from_json(all[0], "rank 0");
    for (size_t rank = 1; rank < all.size(); ++rank) {
        if (all[rank] == all[0]) continue;
        const Node other = from_json(all[rank], concat("rank ", rank));
        compare_rank_configs(config, *first.find(config_key), *other.find(config_key), rank,
                             job.rank() == 0);
        compare_plugins(*first.find(plugins_key), *other.find(plugins_key), rank);
    }
}

}  // namespace ailab
