#pragma once
#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "ailab/optimizer.hpp"
#include "dist/reducer.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// Freezes the parameters that `paramwise_cfg.custom_keys` says are not trained, under whichever of
/// their names. Adds a problem for each pattern that matches no parameter, and for each parameter
/// whose names have patterns that contradict each other.
void freeze_parameters(torch::nn::Module& model, const RunConfig& config, Problems& problems);

/// The optimizer's groups: parameters of the same learning rate and weight decay together, in the
/// order of their first one.
std::vector<ParamGroup> make_groups(const std::vector<NamedParameter>& parameters,
                                    const torch::nn::Module& model, const Optimizer& optimizer,
                                    const ParamwiseConfig& config);

/// Keeps the batch norms that `patterns` match in
/// evaluation mode, so that their running statistics stay.
class FrozenNorms {
  public:
    FrozenNorms() = default;
    /// Adds a problem for each pattern that matches no batch norm.
    FrozenNorms(torch::nn::Module& model, const std::vector<ModulePattern>& patterns,
                Problems& problems);
    /// After the model was put into training mode.
    void apply() const;
    /// Whether every batch norm of the model is among them; true when it has none.
    bool hold_all(const torch::nn::Module& model) const;

  private:
    std::vector<std::shared_ptr<torch::nn::Module>> norms_;
};

}  // namespace ailab
