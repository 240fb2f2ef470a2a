// Saving and loading of the fused optimizers, by the names of the parameters.
#include <set>

#include "fused_optimizer.hpp"

namespace ailab {
namespace {

/// The tensors of a saved state, and which of them nobody has asked for.
class SavedTensors {
  public:
    explicit SavedTensors(const State& state) : tensors_(state.tensors) {
        for (const auto& [name, tensor] : tensors_) unused_.insert(name);
    }
    Tensor take(const std::string& kind, const std::string& parameter) {
        const auto found = tensors_.find(kind + "/" + parameter);
        if (found == tensors_.end()) return {};
        unused_.erase(found->first);
        return found->second;
    }
    Tensor take_like(const Tensor& param, const std::string& kind, const std::string& parameter) {
        const Tensor value = take(kind, parameter);
        const std::string where =
            concat("the saved state of parameter ", parameter, " does not fit: ", kind);
        if (!value.defined()) throw Error(where + " is missing");
        if (value.sizes() != param.sizes())
            throw Error(concat(where, " has the shape ", c10::str(value.sizes()),
                               ", the parameter ", c10::str(param.sizes())));
        return at::empty_like(param).copy_(value);
    }
    void check_all_taken() const {
        if (!unused_.empty())
            throw Error(concat("the saved state has ", unused_.size(),
                               " tensor(s) that this optimizer has no place for, such as ",
                               *unused_.begin()));
    }

  private:
    const std::map<std::string, Tensor>& tensors_;
    std::set<std::string> unused_;
};

constexpr std::pair<const char*, double ParamGroup::*> group_fields[] = {
    {"lr", &ParamGroup::lr},
    {"initial_lr", &ParamGroup::initial_lr},
    {"weight_decay", &ParamGroup::weight_decay}};

Node save_groups(const std::vector<ParamGroup>& groups) {
    Node::List list;
    for (const ParamGroup& group : groups) {
        Node entry = Node::map();
        for (const auto& [name, field] : group_fields) entry.set(name, Node(group.*field));
        list.push_back(std::move(entry));
    }
    return Node::list(std::move(list));
}

std::vector<ParamGroup> load_groups(const Node* saved, std::vector<ParamGroup> groups) {
    const size_t count = saved && saved->is_list() ? saved->items().size() : 0;
    if (count != groups.size())
        throw Error(concat("the saved state is of an optimizer with ", count,
                           " parameter group(s); this one has ", groups.size()));
    for (size_t g = 0; g < groups.size(); ++g)
        for (const auto& [name, field] : group_fields) {
            const Node* value = saved->items()[g].find(name);
            if (!value || !value->is_number())
                throw Error(concat("the saved state of parameter group ", g, " has no ", name));
            groups[g].*field = value->as_float();
        }
    return groups;
}

}  // namespace

State FusedOptimizer::save_state() const {
    State state;
    for (const FusedCell& cell : cells_) {
        if (!cell.started()) continue;
        for (size_t i = 0; i < cell.names.size(); ++i) {
            state.tensors["step/" + cell.names[i]] = cell.step;
            for (size_t s = 0; s < state_names_.size(); ++s)
                state.tensors[state_names_[s] + "/" + cell.names[i]] = cell.states[s][i];
        }
    }
    state.values.set("groups", save_groups(groups()));
    return state;
}

void FusedOptimizer::load_state(const State& state) {
    const at::NoGradGuard no_grad;
    const std::vector<ParamGroup> new_groups = load_groups(state.values.find("groups"), groups());
    std::vector<FusedCell> all = make_cells(0);
    SavedTensors saved(state);
    std::vector<FusedCell> loaded;
    for (const FusedCell& whole : all) {
        // Parameters that have taken the same number of steps go on together; -1: none yet.
        std::map<float, FusedCell> by_step;
        for (size_t i = 0; i < whole.params.size(); ++i) {
            const Tensor& param = whole.params[i];
            const Tensor step = saved.take("step", whole.names[i]);
            FusedCell& cell = by_step[step.defined() ? step.item<float>() : -1.0F];
            cell.group = whole.group;
            cell.names.push_back(whole.names[i]);
            cell.params.push_back(param);
            if (!step.defined()) continue;
            if (!cell.started()) {
                cell.step = step.to(param.device(), at::kFloat, false, /*copy=*/true);
                cell.states.resize(state_names_.size());
            }
            cell.steps.push_back(cell.step);
            for (size_t s = 0; s < state_names_.size(); ++s)
                cell.states[s].push_back(saved.take_like(param, state_names_[s], whole.names[i]));
        }
        for (auto& [step, cell] : by_step) loaded.push_back(std::move(cell));
    }
    saved.check_all_taken();
    groups() = new_groups;
    cells_ = std::move(loaded);
    groups_seen_ = groups().size();
}

}  // namespace ailab
