#include "original_checkpoint.hpp"

#include <ATen/ATen.h>

#include <set>

#include "ailab/error.hpp"
#include "pth/pth_file.hpp"

namespace ailab {
namespace {

constexpr const char* optimizer_keys[] = {"optimizer_state", "optimizer_state_dict", "optimizer"};

/// Of a group's options, what to_optimizer_state() and schedules can use.
constexpr const char* kept_options[] = {"lr", "initial_lr", "weight_decay", "momentum", "betas"};

// More than any optimizer has.
constexpr size_t max_groups = 1000;
constexpr size_t max_states = 32;  // of a parameter
constexpr size_t max_state_name = 100;

using Group = TorchOptimizerState::Group;

/// The number in a 0-dim tensor (capturable optimizers keep lr and step so).
std::optional<double> tensor_number(PthFile& file, const PickleValue& value,
                                    const std::string& name) {
    if (!PthFile::is_tensor(value)) return std::nullopt;
    const at::Tensor tensor = file.tensor(value, name);
    if (tensor.numel() != 1 || tensor.is_complex()) return std::nullopt;
    return tensor.item<double>();
}

Group read_group(PthFile& file, const PickleValue& value, const std::string& where) {
    Group group;
    for (const char* name : kept_options) {
        const PickleRef option = find(value, name);
        if (!option) continue;
        if (std::optional<Node> plain = as_plain(*option))
            group.options.set(name, std::move(*plain));
        else if (const auto number = tensor_number(file, *option, name))
            group.options.set(name, Node(*number));
    }
    const PickleRef parameters = find(value, "params");
    const auto* items = parameters ? items_of(*parameters) : nullptr;
    if (!items)
        throw Error(concat(where, "a group's params must be a list of numbers, got ",
                           parameters ? describe(*parameters) : "none"));
    for (const PickleRef item : *items) {
        const std::optional<int64_t> index = as_integer(*item);
        if (!index) throw Error(concat(where, "params must hold numbers, got ", describe(*item)));
        group.parameters.push_back(*index);
    }
    return group;
}

std::map<std::string, at::Tensor> read_parameter_state(PthFile& file, const PickleValue& value,
                                                       const std::string& where) {
    std::map<std::string, at::Tensor> state;
    const PickleEntries entries = entries_of(value);
    if (entries.size() > max_states)
        throw Error(
            concat(where, "it has ", entries.size(), " states; at most ", max_states, " are read"));
    for (const auto& [key, item] : entries) {
        const auto* name = key->get<std::string>();
        if (!name || name->size() > max_state_name)
            throw Error(concat(where, "a name is ", describe(*key)));
        if (item->get<PickleNone>()) continue;  // SGD's momentum_buffer before the first step
        if (PthFile::is_tensor(*item))
            state[*name] = file.tensor(*item, concat("optimizer's ", *name));
        else if (const std::optional<double> number = as_number(*item))
            state[*name] = at::scalar_tensor(*number, at::kFloat);
        else
            throw Error(concat(where, printable(*name), " is ", describe(*item),
                               ", neither a tensor nor a number"));
    }
    return state;
}

TorchOptimizerState read_optimizer(PthFile& file, const PickleValue& value,
                                   const std::string& key) {
    const std::string where = concat("cannot read ", file.path(), ": ", key, ": ");
    const PickleRef groups = find(value, "param_groups");
    const PickleRef states = find(value, "state");
    const auto* list = groups ? items_of(*groups) : nullptr;
    if (!list || !states || !is_mapping(*states))
        throw Error(concat(where,
                           "expected what state_dict() of a torch.optim optimizer gives, "
                           "a dict of param_groups and state, got ",
                           describe(value)));
    if (list->size() > max_groups)
        throw Error(
            concat(where, "it has ", list->size(), " groups; at most ", max_groups, " are read"));
    TorchOptimizerState optimizer;
    std::set<int64_t> known;
    for (const PickleRef group : *list) {
        optimizer.groups.push_back(read_group(file, *group, where));
        for (const int64_t index : optimizer.groups.back().parameters)
            if (!known.insert(index).second)
                throw Error(concat(where, "parameter ", index, " is there twice"));
    }
    size_t count = 0;
    for (const auto& [index, state] : entries_of(*states)) {
        const std::optional<int64_t> number = as_integer(*index);
        if (!number || !known.count(*number))
            throw Error(
                concat(where, "there is a state for ", describe(*index), ", which no group has"));
        auto& read = optimizer.state[*number] =
            read_parameter_state(file, *state, concat(where, "parameter ", *number, ": "));
        count += read.size();
        if (count > PthFile::max_tensors)
            throw Error(concat(where, "it has more than ", PthFile::max_tensors, " states"));
    }
    return optimizer;
}

Node group_values(const Group& group, size_t index) {
    const auto number = [&](const char* name) -> const Node* {
        const Node* value = group.options.find(name);
        return value && value->is_number() ? value : nullptr;
    };
    const Node* lr = number("lr");
    if (!lr) throw Error(concat("parameter group ", index, " of the saved optimizer has no lr"));
    // Only a schedule adds initial_lr.
    const Node* initial_lr = number("initial_lr");
    const Node* weight_decay = number("weight_decay");
    Node values = Node::map();
    values.set("lr", Node(lr->as_float()));
    values.set("initial_lr", Node((initial_lr ? initial_lr : lr)->as_float()));
    values.set("weight_decay", Node(weight_decay ? weight_decay->as_float() : 0.0));
    return values;
}

}  // namespace

size_t TorchOptimizerState::parameter_count() const {
    size_t count = 0;
    for (const Group& group : groups) count += group.parameters.size();
    return count;
}

OriginalCheckpoint read_original_checkpoint(const std::string& path) {
    PthFile file(path);
    OriginalCheckpoint checkpoint;
    checkpoint.model = read_weights(file);
    const PickleRef epoch = find(file.root(), "epoch");
    if (!epoch)
        throw Error(concat("cannot resume from ", path,
                           ": it has no epoch; to start with its weights use load_from"));
    const std::optional<int64_t> number = as_integer(*epoch);
    if (!number || *number < 0)
        throw Error(concat("cannot resume from ", path, ": its epoch is ", describe(*epoch)));
    checkpoint.epoch = *number;
    for (const char* key : optimizer_keys) {
        const PickleRef value = find(file.root(), key);
        if (!value || value->get<PickleNone>()) continue;
        checkpoint.optimizer = read_optimizer(file, *value, key);
        break;
    }
    return checkpoint;
}

State to_optimizer_state(const TorchOptimizerState& saved, const std::vector<std::string>& names) {
    if (saved.parameter_count() != names.size())
        throw Error(concat("the saved optimizer has ", saved.parameter_count(),
                           " parameter(s), the model has ", names.size(), " that are trained"));
    State state;
    Node::List groups;
    size_t position = 0;
    for (const Group& group : saved.groups) {
        Node values = group_values(group, groups.size());
        Node& its_names = values.set("params", Node::list());
        for (const int64_t index : group.parameters) {
            const std::string& name = names[position++];
            its_names.items().push_back(Node::string(name));
            const auto found = saved.state.find(index);
            if (found == saved.state.end() || found->second.empty()) continue;
            for (const auto& [kind, tensor] : found->second)
                state.tensors[kind + "/" + name] = tensor;
            at::Tensor& step = state.tensors["step/" + name];
            if (!step.defined()) step = at::ones({}, at::kFloat);
            if (step.numel() != 1)
                throw Error(concat("the saved optimizer has ", step.numel(), " steps for ", name));
        }
        groups.push_back(std::move(values));
    }
    state.values.set("groups", Node::list(std::move(groups)));
    return state;
}

}  // namespace ailab
