#include "group_state.hpp"

namespace ailab {
namespace {

constexpr std::pair<const char*, double ParamGroup::*> numbers[] = {
    {"lr", &ParamGroup::lr},
    {"initial_lr", &ParamGroup::initial_lr},
    {"weight_decay", &ParamGroup::weight_decay}};
/// Saved where they are set. A state without them, as an import from PyTorch may be, leaves the
/// configured ones.
constexpr std::pair<const char*, std::optional<double> ParamGroup::*> optional_numbers[] = {
    {"momentum", &ParamGroup::momentum}, {"initial_momentum", &ParamGroup::initial_momentum}};

}  // namespace

Node save_groups(const std::vector<ParamGroup>& groups) {
    Node::List list;
    for (const ParamGroup& group : groups) {
        Node entry = Node::map();
        for (const auto& [name, field] : numbers) entry.set(name, Node(group.*field));
        for (const auto& [name, field] : optional_numbers)
            if (group.*field) entry.set(name, Node(*(group.*field)));
        list.push_back(std::move(entry));
    }
    return Node::list(std::move(list));
}

std::vector<ParamGroup> load_groups(const Node* saved, std::vector<ParamGroup> groups) {
    const size_t count = saved && saved->is_list() ? saved->items().size() : 0;
    if (count != groups.size())
        throw Error(concat("the saved state is of an optimizer with ", count,
                           " parameter group(s); this one has ", groups.size()));
    for (size_t g = 0; g < groups.size(); ++g) {
        const Node& entry = saved->items()[g];
        for (const auto& [name, field] : numbers) {
            const Node* value = entry.find(name);
            if (!value || !value->is_number())
                throw Error(concat("the saved state of parameter group ", g, " has no ", name));
            groups[g].*field = value->as_float();
        }
        for (const auto& [name, field] : optional_numbers)
            if (const Node* value = entry.find(name); value && value->is_number())
                groups[g].*field = value->as_float();
    }
    return groups;
}

}  // namespace ailab
