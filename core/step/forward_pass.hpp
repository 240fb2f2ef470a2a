#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "ailab/binding.hpp"
#include "ailab/loss.hpp"
#include "ailab/model.hpp"
#include "ailab/run.hpp"
#include "autocast.hpp"
#include "recompute.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// The names under which a model's outputs join a batch of the phase: its own, or `output_keys`, in
/// order.
std::vector<std::string> output_keys(const Model& model, Phase phase, const Binding& binding);
/// Whether a loss of this configuration is computed in the phase (`phases`; by default in all).
bool counts_in(const Binding& loss, Phase phase);

/// From a batch to the model's outputs and the terms of the loss: binds names, checks what comes
/// back, and says in errors whose it was. The modules' declarations are asked for once. Main
/// thread.
class ForwardPass {
  public:
    /// `loss` may be null.
    ForwardPass(const RunConfig& config, Model& model, Loss* loss,
                const std::optional<AutocastPlan>& autocast, c10::DeviceType device);

    /// Runs the model and joins its outputs into the batch, which is one of `phase`.
    void run_model(Batch& batch, Phase phase) const;
    bool has_loss(Phase phase) const { return loss_ && counts_in(loss_binding_, phase); }
    /// The loss of a batch that has the outputs. `samples` is the number of samples, over all
    /// ranks, that make one step together.
    std::vector<LossTerm> loss_terms(const Batch& batch, int64_t samples) const;
    /// What the loss says of a batch, on the host or a device, before the model has seen it. As
    /// many as it has terms.
    std::vector<std::optional<Tensor>> target_weights(const Batch& batch) const;
    /// For a model that owns its step.
    AutocastScope autocast() const { return {autocast_, device_}; }
    /// `runtime.recompute`, or nullptr.
    Recompute* recompute() const { return recompute_.get(); }
    size_t term_count() const { return term_names_.size(); }
    const std::string& term_name(size_t index) const { return term_names_.at(index); }
    bool has_own_weights() const { return own_weights_; }
    /// Of a loss that has. One term has its weight to itself.
    WeightSource weight_source() const { return weight_source_; }

    /// `model "ResNet"`: for messages.
    const std::string& model_label() const { return model_label_; }
    const std::string& loss_label() const { return loss_label_; }

  private:
    struct Interface {
        Interface(const Model& model, Phase phase, const Binding& binding,
                  const std::string& label);

        mutable InputBinding inputs;             // kept for its memory
        const std::vector<std::string> outputs;  // as the model returns them
        const std::vector<std::string> keys;     // as they join the batch
    };

    void round_fields(Batch& inputs, const Batch& batch) const;
    const Interface& in(Phase phase) const { return in_phase_[size_t(phase)]; }

    Model& model_;
    Loss* const loss_;
    const std::string model_label_;
    const std::string loss_label_;
    const Binding loss_binding_;
    const std::array<Interface, phases.size()> in_phase_;
    mutable InputBinding to_loss_;
    std::vector<std::string> term_names_;
    bool own_weights_ = false;
    WeightSource weight_source_ = WeightSource::predictions;
    const bool in_double_;
    const std::optional<AutocastPlan> autocast_;
    const c10::DeviceType device_;
    const std::unique_ptr<Recompute> recompute_;
};

}  // namespace ailab
