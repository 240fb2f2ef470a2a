#pragma once
// The parameters of a module tree by identity: what is trained, reduced, clipped, averaged and
// saved is a tensor, and not one of its names.
#include <torch/nn/module.h>

#include <string>
#include <utility>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/state.hpp"
#include "distributed/reducer.hpp"

namespace ailab {

/// Each tensor once, under its first name, as torch's named_parameters() in Python has it; later
/// names (tied weights) are its aliases. The order is that of the first names.
std::vector<NamedParameter> by_identity(
    const std::vector<std::pair<std::string, at::Tensor>>& named);

/// The parameters of a module and of all below it, by identity, names after `prefix`.
std::vector<NamedParameter> parameters_of(const torch::nn::Module& module,
                                          const std::string& prefix = "");

/// The name, then the aliases.
std::vector<std::string> names_of(const NamedParameter& parameter);

/// Adds a problem for each parameter to train that lies in the memory of another one without being
/// the same tensor: a step would change both, twice.
void check_shared_memory(const std::vector<NamedParameter>& parameters, const Place& place,
                         Problems& problems);

/// The state of an optimizer ("<kind>/<parameter>") with one entry a parameter: of what was saved
/// under several names of one parameter the first is taken, in the order of names_of(). `told` gets
/// a line for each parameter that had more than one.
State with_owners(const State& state, const std::vector<NamedParameter>& parameters,
                  std::vector<std::string>& told);

}  // namespace ailab
