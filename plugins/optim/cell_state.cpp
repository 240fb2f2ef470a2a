// Saving and loading of the cells, by the names of the parameters.
#include <map>
#include <set>

#include "cell_optimizer.hpp"

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
    /// A copy in the form of `model`, the state's first value.
    Tensor take_like(const Tensor& model, const std::string& kind, const std::string& parameter) {
        const Tensor value = take_needed(kind, parameter);
        if (value.sizes() != model.sizes())
            throw Error(concat(misfit(kind, parameter), " has the shape ", c10::str(value.sizes()),
                               " instead of ", c10::str(model.sizes())));
        return at::empty_like(model).copy_(value);
    }
    double take_scalar(const std::string& kind, const std::string& parameter) {
        const Tensor value = take_needed(kind, parameter);
        if (value.numel() != 1)
            throw Error(concat(misfit(kind, parameter), " is not a single number"));
        return value.item<double>();
    }
    void check_all_taken() const {
        if (!unused_.empty())
            throw Error(concat("the saved state has ", unused_.size(),
                               " tensor(s) that this optimizer has no place for, such as ",
                               *unused_.begin()));
    }

  private:
    static std::string misfit(const std::string& kind, const std::string& parameter) {
        return concat("the saved state of parameter ", parameter, " does not fit: ", kind);
    }
    Tensor take_needed(const std::string& kind, const std::string& parameter) {
        Tensor value = take(kind, parameter);
        if (!value.defined()) throw Error(misfit(kind, parameter) + " is missing");
        return value;
    }

    const std::map<std::string, Tensor>& tensors_;
    std::set<std::string> unused_;
};

}  // namespace

State CellOptimizer::save_state() const {
    State state;
    for (const Cell& cell : cells_) {
        if (!cell.started()) continue;
        const StateNames& kept = kinds_[cell.kind];
        for (size_t i = 0; i < cell.names.size(); ++i) {
            state.tensors["step/" + cell.names[i]] = cell.step;
            for (size_t s = 0; s < kept.tensors.size(); ++s)
                state.tensors[kept.tensors[s] + "/" + cell.names[i]] = cell.states[s][i];
            for (size_t s = 0; s < kept.scalars.size(); ++s)
                state.tensors[kept.scalars[s] + "/" + cell.names[i]] =
                    at::scalar_tensor(cell.scalars[s], at::kDouble);
        }
    }
    return state;
}

void CellOptimizer::load_state(const State& state) {
    const at::NoGradGuard no_grad;
    const std::vector<Cell> all = make_cells(0);
    SavedTensors saved(state);
    std::vector<Cell> loaded;
    for (const Cell& whole : all) {
        const StateNames& kept = kinds_[whole.kind];
        // Parameters that have taken the same steps go on together: by their number (-1: none yet)
        // and the scalars.
        std::map<std::vector<double>, Cell> by_progress;
        for (size_t i = 0; i < whole.params.size(); ++i) {
            const Tensor& param = whole.params[i];
            const std::string& name = whole.names[i];
            const Tensor step = saved.take("step", name);
            std::vector<double> scalars;
            if (step.defined())
                for (const std::string& kind : kept.scalars)
                    scalars.push_back(saved.take_scalar(kind, name));
            std::vector<double> progress = scalars;
            progress.push_back(step.defined() ? step.item<double>() : -1);
            Cell& cell = by_progress[progress];
            cell.group = whole.group;
            cell.kind = whole.kind;
            cell.names.push_back(name);
            cell.sources.push_back(whole.sources[i]);
            cell.params.push_back(param);
            if (!step.defined()) continue;
            if (!cell.started()) {
                cell.step = step.to(step_device(param), at::kFloat, false, /*copy=*/true);
                cell.scalars = scalars;
                cell.states.resize(kept.tensors.size());
            }
            cell.steps.push_back(cell.step);
            for (size_t s = 0; s < kept.tensors.size(); ++s)
                cell.states[s].push_back(
                    saved.take_like(initial_state(cell.kind, s, param, groups()[cell.group]),
                                    kept.tensors[s], name));
        }
        for (auto& [progress, cell] : by_progress) loaded.push_back(std::move(cell));
    }
    saved.check_all_taken();
    cells_ = std::move(loaded);
    groups_seen_ = groups().size();
}

}  // namespace ailab
