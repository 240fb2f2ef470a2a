#include "state_files.hpp"

#include <cmath>
#include <limits>

#include "ailab/error.hpp"
#include "config/formats.hpp"

namespace ailab {
namespace {

constexpr const char* run_name = "run";
constexpr const char* float_key = "$float";

/// Replaces every float that JSON has no form for.
Node without_special_floats(const Node& node) {
    if (node.is_float() && !std::isfinite(node.as_float())) {
        const double value = node.as_float();
        Node wrapped = Node::map();
        wrapped.set(float_key, Node::string(std::isnan(value) ? "nan"
                                            : value > 0       ? "inf"
                                                              : "-inf"));
        return wrapped;
    }
    Node result = node;
    if (result.is_list())
        for (Node& item : result.items()) item = without_special_floats(item);
    if (result.is_map())
        for (Member& member : result.members()) member.value = without_special_floats(member.value);
    return result;
}

Node with_special_floats(Node node) {
    if (node.is_list())
        for (Node& item : node.items()) item = with_special_floats(std::move(item));
    if (!node.is_map()) return node;
    const Node* wrapped = node.members().size() == 1 ? node.find(float_key) : nullptr;
    if (wrapped && wrapped->is_string()) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        const std::string text = wrapped->as_string();
        if (text == "nan") return Node(std::numeric_limits<double>::quiet_NaN());
        if (text == "inf") return Node(infinity);
        if (text == "-inf") return Node(-infinity);
    }
    for (Member& member : node.members())
        member.value = with_special_floats(std::move(member.value));
    return node;
}

void add_tensors(NamedTensors& tensors, const std::string& module, const State& state) {
    for (const auto& [name, tensor] : state.tensors)
        tensors.emplace_back(module + "/" + name, tensor);
}

}  // namespace

const Node& member(const Node& map, const std::string& key, const std::string& source) {
    const Node* found = map.find(key);
    if (!found) throw Error(concat(source, " has no \"", key, "\""));
    return *found;
}

std::string values_to_json(const Node& values) {
    return to_json(without_special_floats(values));
}

Node values_from_json(const std::string& text, const std::string& source) {
    return with_special_floats(from_json(text, source));
}

StateFiles pack_states(const std::map<std::string, State>& modules, const State& run) {
    StateFiles files;
    Node module_values = Node::map();
    for (const auto& [name, state] : modules) {
        if (name == run_name || name.find('/') != std::string::npos)
            throw Error(
                concat("the state of a module cannot be saved under the name \"", name, "\""));
        add_tensors(files.tensors, name, state);
        module_values.set(name, without_special_floats(state.values));
    }
    add_tensors(files.tensors, run_name, run);
    Node all = Node::map();
    all.set("modules", std::move(module_values));
    all.set(run_name, without_special_floats(run.values));
    files.values = to_json(all, 1) + "\n";
    return files;
}

NamedTensors pack_rank_tensors(const std::map<std::string, State>& modules) {
    NamedTensors tensors;
    for (const auto& [module, state] : modules)
        for (const auto& [name, tensor] : state.rank_tensors) {
            if (state.tensors.count(name))
                throw Error(concat("the state of ", module, " has \"", name,
                                   "\" for all ranks and for each"));
            tensors.emplace_back(module + "/" + name, tensor);
        }
    return tensors;
}

NamedTensors pack_shards(const std::map<std::string, State>& modules) {
    NamedTensors tensors;
    for (const auto& [module, state] : modules)
        for (const auto& [name, shard] : state.shards)
            if (shard.piece.numel() > 0) tensors.emplace_back(module + "/" + name, shard.piece);
    return tensors;
}

void unpack_states(const NamedTensors& tensors, const std::string& values,
                   const std::string& source, std::map<std::string, State>& modules, State& run) {
    const std::string file = source + "/" + checkpoint_file::state_values;
    const Node all = values_from_json(values, file);
    const Node* module_values = all.find("modules");
    const Node* run_values = all.find(run_name);
    if (!module_values || !module_values->is_map() || !run_values || !run_values->is_map())
        throw Error(concat(file, ": expected the maps \"modules\" and \"run\""));
    for (const Member& member : module_values->members()) modules[member.key].values = member.value;
    run.values = *run_values;
    for (const auto& [name, tensor] : tensors) {
        const size_t slash = name.find('/');
        const std::string module = name.substr(0, slash);
        if (slash == std::string::npos || (module != run_name && !modules.count(module)))
            throw Error(concat(source, "/", checkpoint_file::state_tensors, ": tensor \"", name,
                               "\" belongs to no module of ", checkpoint_file::state_values));
        State& state = module == run_name ? run : modules[module];
        state.tensors[name.substr(slash + 1)] = tensor;
    }
}

}  // namespace ailab
