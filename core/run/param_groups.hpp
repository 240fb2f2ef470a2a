#pragma once
#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "ailab/optimizer.hpp"
#include "distributed/reducer.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// A model with its loss, which may have parameters of its own and may be nullptr.
struct Trained {
    torch::nn::Module& model;
    torch::nn::Module* loss;
};
/// What the names of a loss's parameters begin with, beside the model's.
inline constexpr const char* loss_prefix = "loss.";

/// The parameters of both, trained or not, by identity.
std::vector<NamedParameter> all_parameters(const Trained& trained);

/// Freezes the parameters that `paramwise_cfg.custom_keys` says are not trained, under whichever of
/// their names. Adds a problem for each pattern that matches no parameter, and for each parameter
/// whose names have patterns that contradict each other.
void freeze_parameters(const Trained& trained, const RunConfig& config, Problems& problems);

/// The optimizer's groups: parameters of the same settings together, in the order of their first
/// one.
std::vector<ParamGroup> make_groups(const std::vector<NamedParameter>& parameters,
                                    const Trained& trained, const Optimizer& optimizer,
                                    const ParamwiseConfig& config);

/// The names in the groups of a checkpoint that holds groups without names: norms were LibTorch's
/// alone then, and biases those of the name `bias`.
std::vector<std::vector<std::string>> earlier_groups(const std::vector<NamedParameter>& parameters,
                                                     const Trained& trained,
                                                     const ParamwiseConfig& config);

/// The weight decay of an optimizer and the parameters that it does not reach; "" where there is
/// none, or none without.
std::string describe_decay(const std::vector<ParamGroup>& groups);

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
