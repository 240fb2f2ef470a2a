#include "fused_optimizer.hpp"

namespace ailab {
namespace {

/// The kernels walk over memory: the gradient must lie as the parameter does.
Tensor fitting_gradient(const Tensor& param, const std::string& name) {
    const Tensor& grad = param.grad();
    if (!grad.defined() || (grad.strides() == param.strides() && grad.layout() == at::kStrided))
        return grad;
    if (grad.layout() != at::kStrided)
        throw Error(
            concat("the gradient of ", name, " is sparse; fused optimizers take dense ones"));
    return at::empty_like(param).copy_(grad);
}

void append(FusedCell& to, const FusedCell& from, size_t i) {
    to.names.push_back(from.names[i]);
    to.params.push_back(from.params[i]);
    to.grads.push_back(from.grads[i]);
    to.states.resize(from.states.size());
    for (size_t s = 0; s < from.states.size(); ++s) to.states[s].push_back(from.states[s][i]);
}

}  // namespace

std::vector<FusedCell> FusedOptimizer::make_cells(size_t first_group) const {
    std::vector<FusedCell> cells;
    for (size_t g = first_group; g < groups().size(); ++g) {
        const ParamGroup& group = groups()[g];
        const size_t first = cells.size();
        for (size_t i = 0; i < group.params.size(); ++i) {
            const Tensor& param = group.params[i];
            if (!param.is_non_overlapping_and_dense())
                throw Error(concat("parameter ", group.names[i],
                                   " is a view with gaps; fused optimizers take dense ones"));
            size_t c = first;
            while (c < cells.size() && (cells[c].params[0].scalar_type() != param.scalar_type() ||
                                        cells[c].params[0].device() != param.device()))
                ++c;
            if (c == cells.size()) cells.emplace_back().group = g;
            cells[c].names.push_back(group.names[i]);
            cells[c].params.push_back(param);
        }
    }
    return cells;
}

void FusedOptimizer::step(const Tensor& grad_scale, const Tensor& found_inf) {
    const at::NoGradGuard no_grad;
    if (groups_seen_ != groups().size()) {
        for (FusedCell& cell : make_cells(groups_seen_)) cells_.push_back(std::move(cell));
        groups_seen_ = groups().size();
    }
    const size_t count = cells_.size();  // what splitting adds has no gradients in this step
    for (size_t i = 0; i < count; ++i) step_cell(i, grad_scale, found_inf);
}

void FusedOptimizer::step_cell(size_t index, const Tensor& grad_scale, const Tensor& found_inf) {
    FusedCell* cell = &cells_[index];
    size_t defined = 0;
    cell->grads.clear();
    for (size_t i = 0; i < cell->params.size(); ++i) {
        cell->grads.push_back(fitting_gradient(cell->params[i], cell->names[i]));
        defined += cell->grads.back().defined();
    }
    if (defined == 0) return;
    if (defined != cell->params.size()) {
        split(index);
        cell = &cells_[index];
    }
    const bool first = !cell->started();
    if (first) {
        // The kernels would take a first step that was left out for one that was made.
        if (found_inf.defined() && found_inf.item<double>() != 0) return;
        start(*cell);
    }
    cell->step.add_(1);
    if (found_inf.defined()) cell->step.sub_(found_inf);
    auto optional = [](const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
    update(*cell, groups()[cell->group], first, optional(grad_scale), optional(found_inf));
    cell->grads.clear();  // they may be dropped or reused as soon as the step is over
}

void FusedOptimizer::split(size_t index) {
    FusedCell used, unused;
    const FusedCell& cell = cells_[index];
    for (size_t i = 0; i < cell.params.size(); ++i)
        append(cell.grads[i].defined() ? used : unused, cell, i);
    used.group = unused.group = cell.group;
    if (cell.started()) {
        used.step = cell.step;
        used.steps.assign(used.params.size(), used.step);
        unused.step = cell.step.clone();
        unused.steps.assign(unused.params.size(), unused.step);
    }
    cells_[index] = std::move(used);
    cells_.push_back(std::move(unused));
}

void FusedOptimizer::start(FusedCell& cell) const {
    cell.states.resize(state_names_.size());
    for (auto& list : cell.states)
        for (const Tensor& param : cell.params) list.push_back(at::zeros_like(param));
    cell.step = at::zeros({}, cell.params[0].options().dtype(at::kFloat));
    cell.steps.assign(cell.params.size(), cell.step);
}

}  // namespace ailab
