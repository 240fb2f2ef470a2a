#include "config_differences.hpp"

#include <set>

#include "ailab/error.hpp"
#include "config/yaml_reader.hpp"

namespace ailab {
namespace {

void flatten(const Node& node, const std::string& path, FlatConfig& flat) {
    if (node.is_map() && !node.members().empty()) {
        for (const Member& member : node.members())
            flatten(member.value, path.empty() ? member.key : path + "." + member.key, flat);
    } else if (node.is_list() && !node.items().empty() && !node.items()[0].is_scalar()) {
        for (size_t i = 0; i < node.items().size(); ++i)
            flatten(node.items()[i], concat(path, ".", i), flat);
    } else {
        flat[path] = node.flow();
    }
}

}  // namespace

FlatConfig flatten_config(const std::string& yaml, const std::string& source) {
    Problems problems;
    const Node tree = read_yaml(yaml, source, problems);
    problems.check();
    FlatConfig flat;
    flatten(tree, "", flat);
    return flat;
}

namespace {

bool has_section(const FlatConfig& config, const std::string& section) {
    const auto at = config.lower_bound(section + ".");
    return at != config.end() && at->first.starts_with(section + ".");
}

/// Of a module that one of the configurations has not at all its type says enough.
bool is_detail(const std::string& path, const std::vector<FlatConfig>& configs) {
    for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
        const std::string section = path.substr(0, dot), type = section + ".type";
        bool everywhere = true, typed = false;
        for (const FlatConfig& config : configs) {
            everywhere = everywhere && has_section(config, section);
            typed = typed || config.count(type);
        }
        if (!everywhere && typed) return path != type;
    }
    return false;
}

}  // namespace

std::vector<std::string> differing_paths(const std::vector<FlatConfig>& configs) {
    std::set<std::string> all;
    for (const FlatConfig& config : configs)
        for (const auto& [path, value] : config) all.insert(path);
    std::vector<std::string> differing;
    for (const std::string& path : all) {
        if (path == "work_dir" || path.starts_with("hooks.progress.") || is_detail(path, configs))
            continue;
        std::set<std::string> values;
        for (const FlatConfig& config : configs) {
            const auto found = config.find(path);
            values.insert(found == config.end() ? "(none)" : found->second);
        }
        if (values.size() > 1) differing.push_back(path);
    }
    return differing;
}

}  // namespace ailab
