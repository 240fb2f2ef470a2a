// Saving and loading of the tensor groups, by the names of the parameters.
#include <map>
#include <set>

#include "tensor_group_optimizer.hpp"

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

State TensorGroupOptimizer::save_state() const {
    State state;
    for (const TensorGroup& tensor_group : tensor_groups_) {
        if (!tensor_group.started()) continue;
        const StateNames& kept = kinds_[tensor_group.kind];
        for (size_t i = 0; i < tensor_group.names.size(); ++i) {
            state.tensors["step/" + tensor_group.names[i]] = tensor_group.step;
            for (size_t s = 0; s < kept.tensors.size(); ++s)
                state.tensors[kept.tensors[s] + "/" + tensor_group.names[i]] =
                    tensor_group.states[s][i];
            for (size_t s = 0; s < kept.scalars.size(); ++s)
                state.tensors[kept.scalars[s] + "/" + tensor_group.names[i]] =
                    at::scalar_tensor(tensor_group.scalars[s], at::kDouble);
        }
    }
    return state;
}

void TensorGroupOptimizer::load_state(const State& state) {
    const at::NoGradGuard no_grad;
    const std::vector<TensorGroup> all = make_tensor_groups(0);
    SavedTensors saved(state);
    std::vector<TensorGroup> loaded;
    for (const TensorGroup& whole : all) {
        const StateNames& kept = kinds_[whole.kind];
        // Parameters that have taken the same steps go on together: by their number (-1: none yet)
        // and the scalars.
        std::map<std::vector<double>, TensorGroup> by_progress;
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
            TensorGroup& tensor_group = by_progress[progress];
            tensor_group.group = whole.group;
            tensor_group.kind = whole.kind;
            tensor_group.names.push_back(name);
            tensor_group.sources.push_back(whole.sources[i]);
            tensor_group.params.push_back(param);
            if (!step.defined()) continue;
            if (!tensor_group.started()) {
                tensor_group.step = step.to(step_device(param), at::kFloat, false, /*copy=*/true);
                tensor_group.scalars = scalars;
                tensor_group.states.resize(kept.tensors.size());
            }
            tensor_group.steps.push_back(tensor_group.step);
            for (size_t s = 0; s < kept.tensors.size(); ++s)
                tensor_group.states[s].push_back(saved.take_like(
                    initial_state(tensor_group.kind, s, param, groups()[tensor_group.group]),
                    kept.tensors[s], name));
        }
        for (auto& [progress, tensor_group] : by_progress)
            loaded.push_back(std::move(tensor_group));
    }
    saved.check_all_taken();
    tensor_groups_ = std::move(loaded);
    groups_seen_ = groups().size();
}

}  // namespace ailab
