#include "cell_optimizer.hpp"

namespace ailab {
namespace {

/// A parameter, or a gradient, as the numbers that are updated.
Tensor real_numbers(const Tensor& tensor) {
    return tensor.is_complex() ? at::view_as_real(tensor) : tensor;
}

/// The kernels walk over memory: the gradient must lie as the parameter does.
Tensor fitting_gradient(const Tensor& param, const std::string& name) {
    const Tensor& grad = param.grad();
    if (!grad.defined()) return grad;
    if (grad.strides() == param.strides() && grad.layout() == at::kStrided)
        return grad.is_complex() ? real_numbers(grad.resolve_conj()) : grad;
    if (grad.layout() != at::kStrided)
        throw Error(
            concat("the gradient of ", name, " is sparse; this optimizer takes dense ones"));
    return real_numbers(at::empty_like(param).copy_(grad));
}

void append(Cell& to, const Cell& from, size_t i) {
    to.names.push_back(from.names[i]);
    to.sources.push_back(from.sources[i]);
    to.params.push_back(from.params[i]);
    if (from.grads[i].defined()) to.grads.push_back(from.grads[i]);
    to.states.resize(from.states.size());
    for (size_t s = 0; s < from.states.size(); ++s) to.states[s].push_back(from.states[s][i]);
}

}  // namespace

std::vector<Cell> CellOptimizer::make_cells(size_t first_group) const {
    std::vector<Cell> cells;
    for (size_t g = first_group; g < groups().size(); ++g) {
        const ParamGroup& group = groups()[g];
        const size_t first = cells.size();
        for (size_t i = 0; i < group.params.size(); ++i) {
            const Tensor& param = group.params[i];
            if (!param.is_non_overlapping_and_dense())
                throw Error(concat("parameter ", group.names[i],
                                   " is a view with gaps; optimizers take dense ones"));
            if (param.is_complex() && !takes_complex())
                throw Error(concat("parameter ", group.names[i],
                                   " is complex, which this optimizer does not train; PyTorch's "
                                   "does not either. Take another one, such as AdamW"));
            const size_t its_kind = kind(param);
            auto takes = [&](const Cell& cell) {
                return cell.kind == its_kind && cell.sources[0].device() == param.device() &&
                       cell.sources[0].scalar_type() == param.scalar_type();
            };
            size_t c = first;
            while (c < cells.size() && !takes(cells[c])) ++c;
            if (c == cells.size()) {
                cells.emplace_back().group = g;
                cells[c].kind = its_kind;
            }
            cells[c].names.push_back(group.names[i]);
            cells[c].sources.push_back(param);
            cells[c].params.push_back(real_numbers(param));
        }
    }
    return cells;
}

void CellOptimizer::step(const Tensor& grad_scale, const Tensor& found_inf) {
    const at::NoGradGuard no_grad;
    if (groups_seen_ != groups().size()) {
        for (Cell& cell : make_cells(groups_seen_)) cells_.push_back(std::move(cell));
        groups_seen_ = groups().size();
    }
    const size_t count = cells_.size();  // what splitting adds has no gradients in this step
    for (size_t i = 0; i < count; ++i) collect_gradients(i);
    update_cells(cells_, grad_scale, found_inf);
    // They may be dropped or reused as soon as the step is over.
    for (Cell& cell : cells_) cell.grads.clear();
}

void CellOptimizer::collect_gradients(size_t index) {
    Cell& cell = cells_[index];
    size_t defined = 0;
    cell.grads.clear();
    for (size_t i = 0; i < cell.params.size(); ++i) {
        cell.grads.push_back(fitting_gradient(cell.sources[i], cell.names[i]));
        defined += cell.grads.back().defined();
    }
    if (defined == 0)
        cell.grads.clear();
    else if (defined != cell.params.size())
        split(index);
}

void CellOptimizer::split(size_t index) {
    Cell used, unused;
    const Cell& cell = cells_[index];
    for (size_t i = 0; i < cell.params.size(); ++i)
        append(cell.grads[i].defined() ? used : unused, cell, i);
    used.group = unused.group = cell.group;
    used.kind = unused.kind = cell.kind;
    used.scalars = unused.scalars = cell.scalars;
    if (cell.started()) {
        used.step = cell.step;
        used.steps.assign(used.params.size(), used.step);
        unused.step = cell.step.clone();
        unused.steps.assign(unused.params.size(), unused.step);
    }
    cells_[index] = std::move(used);
    cells_.push_back(std::move(unused));
}

void CellOptimizer::start(Cell& cell) const {
    if (cell.started()) return;
    const ParamGroup& group = groups()[cell.group];
    cell.states.resize(kinds_[cell.kind].tensors.size());
    for (size_t s = 0; s < cell.states.size(); ++s)
        for (const Tensor& param : cell.params)
            cell.states[s].push_back(initial_state(cell.kind, s, param, group));
    if (!kinds_[cell.kind].scalars.empty()) cell.scalars = initial_scalars(group);
    cell.step = at::zeros({}, at::device(step_device(cell.params[0])).dtype(at::kFloat));
    cell.steps.assign(cell.params.size(), cell.step);
}

}  // namespace ailab
