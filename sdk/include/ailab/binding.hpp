#pragma once
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/module_spec.hpp"

namespace ailab {

/// The named inputs of a module, taken from the fields of `batch`: `mapping` renames, the
/// original's spellings (pred, preds, input; label, targets) are accepted as mapping keys of losses
/// and metrics, and a field `label` serves as `target` when there is none. ids and sizes come
/// along. Throws Error naming `what`, the fields that exist with their shapes, and the nearest
/// name.
AILAB_API Batch bind_inputs(const Batch& batch, const std::vector<std::string>& inputs,
                            const Binding& binding, const std::string& what);

/// The same check before the run, from names alone: adds a problem at `config.place` for each input
/// that is not among `fields`, and for each mapping key that is no input. No check if `fields` is
/// empty (unknown).
AILAB_API void check_binding(const std::vector<std::string>& fields,
                             const std::vector<std::string>& inputs, const ModuleConfig& config,
                             const std::string& what, Problems& problems);

}  // namespace ailab
