#pragma once
#include <torch/nn/modules.h>

#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/output_kind.hpp"
#include "ailab/registry.hpp"
#include "ailab/state.hpp"

namespace ailab {

/// One term of a loss. Over several ranks and micro-batches a term is the sum of its `sum`s over
/// the sum of its `weight`s, so it is what one big batch would have given.
struct LossTerm {
    std::string name;
    /// A scalar with gradient: summed over this rank's samples, or their mean if `is_mean`.
    Tensor sum;
    /// What to divide by: a scalar tensor without gradient (class weights, counted pixels), or
    /// nothing for the number of samples, which the sampler knows (cheaper: nothing is exchanged).
    std::optional<Tensor> weight;
    /// The factor of this term in the total.
    double scale = 1;
    /// `sum` is the mean over the samples instead (a loss that computes means saves an operation).
    /// Not together with `weight`.
    bool is_mean = false;
};

/// What the weights of a loss's terms follow from, where they are not the numbers of samples. The
/// less they follow from, the less the ranks wait for each other.
enum class WeightSource {
    /// Anything: known after the forward pass, which all ranks then wait for. Where a step
    /// accumulates several iterations it keeps one gradient a term.
    predictions,
    /// All terms have one and the same weight, by which the gradients are divided once they are
    /// summed over the ranks. A loss of one term is of this kind whatever it says.
    common,
    /// The targets alone: target_weights() gives them before the forward pass.
    targets,
};

/// A loss. The simple case overrides forward(output, target) and returns the mean over the samples.
/// May have parameters of its own: they are optimised, reduced and saved like the model's. Called
/// on the main thread only.
class AILAB_API Loss : public torch::nn::Module, public Stateful {
  public:
    ~Loss() override;

    /// output: [N, …], target: [N, …] -> a scalar: the mean over the N samples.
    virtual Tensor forward(const Tensor& output, const Tensor& target);

    /// The names of what this loss takes, bound to fields of the batch and outputs of the model.
    virtual std::vector<std::string> inputs() const { return {"output", "target"}; }
    /// What its input `output` stands for: predictions of a trained model and the mean over several
    /// views of a sample (`--tta`) go by it. Nothing where it is none of these.
    virtual std::optional<OutputKind> output_kind() const { return std::nullopt; }
    /// The names of the terms, for checks before the run; {"loss"} alone for a simple loss.
    virtual std::vector<std::string> term_names() const { return {"loss"}; }
    /// `inputs.size` is the number of samples; it is 0 on a rank that has none in the last batch of
    /// an epoch, and then this is not called. The default is one term `loss` from forward().
    virtual std::vector<LossTerm> terms(const Batch& inputs);
    /// True if a term gives a weight of its own. Must be the same on all ranks.
    virtual bool has_own_weights() const { return false; }
    /// Of a loss with weights of its own. Must be the same on all ranks and throughout.
    virtual WeightSource weight_source() const { return WeightSource::predictions; }
    /// Where weight_source() is targets: the weights that terms() will give for these inputs, in
    /// their order. The model's outputs are not among them: those are undefined tensors. The
    /// default throws Error.
    virtual std::vector<std::optional<Tensor>> target_weights(const Batch& inputs);

    /// True if the loss wants to see the values of its terms (weights that follow them).
    virtual bool follows_values() const { return false; }
    /// After each optimizer step, if follows_values(): the value of each term over the batch of all
    /// ranks, without its scale; the same numbers on every rank.
    virtual void observe(const std::vector<double>& /*values*/) {}
};

template <class T>
constexpr bool offers_in_vain(const Loss*) {
    return AILAB_OVERRIDES_(T, Loss, follows_values) && !AILAB_OVERRIDES_(T, Loss, observe);
}

}  // namespace ailab
