#pragma once
#include <torch/nn/modules.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/phase.hpp"
#include "ailab/registry.hpp"
#include "ailab/state.hpp"

namespace ailab {

class StepContext;

/// A model. The simple case overrides forward(Tensor) alone:
///
///     class Net : public ailab::Model {
///       public:
///         struct Options { … };
///         explicit Net(const Options& options) : fc(options.width, 10) {
///             register_module("fc", fc);
///         }
///         Tensor forward(const Tensor& input) override { return fc(input); }
///         …
///     };
///
/// The general cases: forward_batch() takes and returns named fields; train_step() owns the step.
/// Called on the main thread only. Parameters and buffers are saved under their names in the module
/// tree.
class AILAB_API Model : public torch::nn::Module, public Stateful {
  public:
    ~Model() override;

    /// input: [N, …] -> output: [N, …].
    virtual Tensor forward(const Tensor& input);

    /// The names of what this model takes, bound to fields of the batch (`mapping` renames).
    virtual std::vector<std::string> inputs() const { return {"input"}; }
    /// The names of what it returns (`output_keys` renames, in this order). They join the batch.
    virtual std::vector<std::string> outputs() const { return {"output"}; }
    /// Of a model that takes other things, or returns others, in training than in evaluation: a
    /// detector its losses there and boxes here, a translator the target's tokens in training
    /// alone. A trained model is served and exported as in Phase::test. By default inputs() and
    /// outputs() in each. (A loss that has nothing to compute in evaluation is given `phases`.)
    virtual std::vector<std::string> inputs_in(Phase /*phase*/) const { return inputs(); }
    virtual std::vector<std::string> outputs_in(Phase /*phase*/) const { return outputs(); }
    /// `inputs` holds inputs_in() by their names here; the result holds outputs_in(), of training
    /// where is_training(). The default calls forward() with the first input and returns the only
    /// output.
    virtual Batch forward_batch(const Batch& inputs);

    /// The name in this model of the tensor that files of another library (timm's, say) call
    /// `name`. Weights are loaded by these names where more of them fit than of the file's own; a
    /// tensor may then have other dimensions of 1.
    virtual std::string state_dict_key(const std::string& name) const { return name; }

    /// The names of the optimizers that this model is trained with; `optimizer:` is then a map of
    /// these names. Empty: the one optimizer of all parameters.
    virtual std::vector<std::string> optimizer_names() const { return {}; }
    /// The parameters that belong to one of optimizer_names(): by default those of the submodule of
    /// that name.
    virtual std::vector<std::pair<std::string, Tensor>> optimizer_parameters(
        const std::string& optimizer) const;

    /// True if train_step() replaces forward, loss, backward and step.
    virtual bool owns_step() const { return false; }
    virtual void train_step(StepContext& step);
};

/// What a model's own train_step() works with.
class AILAB_API StepContext {
  public:
    virtual ~StepContext();

    /// This rank's share of the batch, on the device. May be empty (size 0) at the end of an epoch.
    virtual const Batch& batch() const = 0;
    /// Computes `loss` (a mean over this rank's samples) and takes one step of the named optimizer
    /// with its gradients, reduced over all ranks. Only that optimizer's parameters require
    /// gradients meanwhile. `normaliser` is the number of samples (or the weight) on this rank that
    /// the mean was taken over; by default the batch's size.
    virtual void update(const std::string& optimizer, const std::function<Tensor()>& loss,
                        std::optional<double> normaliser = std::nullopt) = 0;
    /// Records a scalar for the log under `name`, averaged over samples, ranks and the interval.
    virtual void record(const std::string& name, const Tensor& value) = 0;
    /// Makes a field visible to metrics and hooks.
    virtual void output(const std::string& name, BatchField value) = 0;
};

template <class T>
constexpr bool offers_in_vain(const Model*) {
    return AILAB_OVERRIDES_(T, Model, owns_step) && !AILAB_OVERRIDES_(T, Model, train_step);
}

}  // namespace ailab
