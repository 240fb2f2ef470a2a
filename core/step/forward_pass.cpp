#include "forward_pass.hpp"

#include <algorithm>

#include "host/error_context.hpp"
#include "loss_terms.hpp"

namespace ailab {

std::vector<std::string> output_keys(const Model& model, Phase phase, const Binding& binding) {
    std::vector<std::string> keys = model.outputs_in(phase);
    const size_t renamed = std::min(keys.size(), binding.output_keys.size());
    std::copy_n(binding.output_keys.begin(), renamed, keys.begin());
    return keys;
}

bool counts_in(const Binding& loss, Phase phase) {
    const std::vector<std::string>& listed = loss.phases;
    return listed.empty() ||
           std::find(listed.begin(), listed.end(), phase_name(phase)) != listed.end();
}

ForwardPass::Interface::Interface(const Model& model, Phase phase, const Binding& binding,
                                  const std::string& label)
    : inputs(model.inputs_in(phase), binding, label),
      outputs(model.outputs_in(phase)),
      keys(output_keys(model, phase, binding)) {}

ForwardPass::ForwardPass(const RunConfig& config, Model& model, Loss* loss,
                         const std::optional<AutocastPlan>& autocast, c10::DeviceType device)
    : model_(model),
      loss_(loss),
      model_label_(concat("model \"", config.model.type(), "\"")),
      loss_label_(concat("loss \"", config.loss.type(), "\"")),
      loss_binding_(config.loss.binding()),
      in_phase_{Interface(model, Phase::train, config.model.binding(), model_label_),
                Interface(model, Phase::val, config.model.binding(), model_label_),
                Interface(model, Phase::test, config.model.binding(), model_label_)},
      to_loss_(loss ? loss->inputs() : std::vector<std::string>(), loss_binding_, loss_label_),
      in_double_(config.runtime.dtype == "float64"),
      autocast_(autocast),
      device_(device),
      recompute_(config.runtime.recompute ? std::make_unique<Recompute>(model_label_) : nullptr) {
    if (!loss_) return;
    term_names_ = loss_->term_names();
    own_weights_ = loss_->has_own_weights();
    weight_source_ = term_names_.size() == 1 ? WeightSource::common : loss_->weight_source();
}

namespace {

/// What is likely to be wrong when a model throws that was given bytes, or "".
std::string hint_for(const Batch& inputs, Phase phase) {
    for (const auto& [name, field] : inputs.fields) {
        const auto* tensor = std::get_if<Tensor>(&field);
        if (tensor && tensor->defined() && tensor->scalar_type() == at::kByte)
            return concat("; ", name, " is uint8: end data.", phase_name(phase),
                          ".transforms with Normalize or ToTensor");
    }
    return "";
}

}  // namespace

void ForwardPass::run_model(Batch& batch, Phase phase) const {
    const Interface& model = in(phase);
    Batch returned;
    {
        const InputBinding::Bound inputs = model.inputs.bind(batch);
        try {
            const AutocastScope scope = autocast();
            const Recompute::Section blocks(phase == Phase::train ? recompute() : nullptr);
            returned = model_.forward_batch(*inputs);
            blocks.done();
        } catch (...) {
            rethrow_with(model_label_, hint_for(*inputs, phase));
        }
    }
    for (size_t i = 0; i < model.outputs.size(); ++i) {
        const auto found = returned.fields.find(model.outputs[i]);
        if (found == returned.fields.end())
            throw Error(concat(model_label_, " declares the output \"", model.outputs[i],
                               "\" and did not return it; it returned: ", returned.describe()));
        if (autocast_) to_full_precision(found->second);
        batch.set(model.keys[i], std::move(found->second));
    }
}

/// Fields of the data set may have kept float64, for metrics; outputs are as the model gives them.
void ForwardPass::round_fields(Batch& inputs, const Batch& batch) const {
    if (in_double_) return;
    const auto is_output = [&](const Tensor& tensor) {
        for (const Interface& model : in_phase_)
            for (const std::string& key : model.keys)
                if (const Tensor* output = batch.find_tensor(key);
                    output && output->is_same(tensor))
                    return true;
        return false;
    };
    for (auto& [name, field] : inputs.fields)
        if (auto* tensor = std::get_if<Tensor>(&field); tensor && tensor->defined() &&
                                                        tensor->scalar_type() == at::kDouble &&
                                                        !is_output(*tensor))
            *tensor = tensor->to(at::kFloat);
}

std::vector<LossTerm> ForwardPass::loss_terms(const Batch& batch, int64_t samples) const {
    try {
        const InputBinding::Bound inputs = to_loss_.bind(batch);
        round_fields(*inputs, batch);
        inputs->global_size = samples;
        std::vector<LossTerm> terms = loss_->terms(*inputs);
        check_terms(terms, term_names_, own_weights_, loss_label_);
        return terms;
    } catch (...) {
        rethrow_with(loss_label_);
    }
}

std::vector<std::optional<Tensor>> ForwardPass::target_weights(const Batch& batch) const {
    Batch targets = batch;
    for (const std::string& output : in(Phase::train).keys) targets.set(output, Tensor());
    std::vector<std::optional<Tensor>> weights;
    try {
        const InputBinding::Bound inputs = to_loss_.bind(targets);
        round_fields(*inputs, targets);
        weights = loss_->target_weights(*inputs);
    } catch (...) {
        rethrow_with(loss_label_);
    }
    if (weights.size() != term_names_.size())
        throw Error(concat(loss_label_, ": target_weights() gave ", weights.size(), " weights for ",
                           term_names_.size(), " terms"));
    return weights;
}

}  // namespace ailab
