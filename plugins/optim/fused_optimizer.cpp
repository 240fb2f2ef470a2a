#include "fused_optimizer.hpp"

namespace ailab {

void FusedOptimizer::update_cells(std::vector<Cell>& cells, const Tensor& grad_scale,
                                  const Tensor& found_inf) {
    auto optional = [](const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
    for (Cell& cell : cells) {
        if (cell.grads.empty()) continue;
        const bool first = !cell.started();
        // The kernels would take a first step that was left out for one that was made.
        if (first && found_inf.defined() && found_inf.item<double>() != 0) continue;
        start(cell);
        cell.count_step();
        if (found_inf.defined()) cell.step.sub_(found_inf);
        update(cell, groups()[cell.group], first, optional(grad_scale), optional(found_inf));
    }
}

}  // namespace ailab
