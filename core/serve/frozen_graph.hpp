#pragma once
#include <torch/csrc/jit/api/module.h>

#include <string>

#include "served_model.hpp"

namespace ailab {

/// A model's graph with its weights as constants, batch norms folded into convolutions and
/// operations fused: faster, and any number of threads may run it at once. On the CPU.
class FrozenGraph {
  public:
    /// Traces the model on `example`, [N, …] with N at least 2. Throws Error when the graph does
    /// not give the model's outputs, for `example` and for another batch size, within float
    /// rounding.
    FrozenGraph(ServedModel& model, const at::Tensor& example);

    /// [N, …] -> the model's first output. Thread-safe.
    at::Tensor forward(const at::Tensor& input) const;

  private:
    void check(ServedModel& model, const at::Tensor& input) const;

    mutable torch::jit::Module module_;
};

}  // namespace ailab
