#include "manual_step.hpp"

#include <ATen/ATen.h>

namespace ailab {

namespace {

/// While it lives, only one optimizer's parameters require gradients.
class OnlyThese {
  public:
    OnlyThese(const torch::nn::Module& model, const std::vector<NamedParameter>& chosen) {
        for (const Tensor& parameter : model.parameters()) {
            if (!parameter.requires_grad()) continue;
            bool is_chosen = false;
            for (const NamedParameter& one : chosen) is_chosen |= one.tensor.is_same(parameter);
            if (is_chosen) continue;
            parameter.set_requires_grad(false);
            others_.push_back(parameter);
        }
    }
    ~OnlyThese() {
        for (const Tensor& parameter : others_) parameter.set_requires_grad(true);
    }
    OnlyThese(const OnlyThese&) = delete;
    OnlyThese& operator=(const OnlyThese&) = delete;

  private:
    std::vector<Tensor> others_;
};

}  // namespace

ParameterUpdate& ManualStep::find(const std::string& optimizer) const {
    const auto found = step_.parts_.updates.find(optimizer);
    if (found != step_.parts_.updates.end()) return *found->second;
    std::vector<std::string> names;
    for (const auto& [name, update] : step_.parts_.updates) names.push_back(concat('"', name, '"'));
    throw Error(concat("there is no optimizer \"", optimizer, "\"; there are ", join(names)));
}

void ManualStep::update(const std::string& optimizer, const std::function<Tensor()>& loss,
                        std::optional<double> normaliser) {
    ParameterUpdate& update = find(optimizer);
    const StepParts& parts = step_.parts_;
    const OnlyThese only(parts.model, update.parameters());
    const Batch& batch = *step_.batch_;
    section_.meet();
    update.gradients().begin();
    const double own = normaliser.value_or(double(batch.size));
    // How many samples there are is known; a normaliser of all ranks is summed with the gradients.
    const double all = !normaliser ? double(step_.window_.samples)
                       : parts.comm.world_size() == 1
                           ? own
                           : power_of_two_near(double(step_.window_.assigned));
    if (batch.size > 0) {
        const Tensor mean = [&] {
            const AutocastScope scope = parts.forward.autocast();
            return loss();
        }();
        if (!mean.defined() || mean.dim() != 0)
            throw Error(concat("the loss given to update(\"", optimizer, "\") must be a scalar"));
        const bool reduces = !(parts.sync_batch_norm && parts.sync_batch_norm->uneven());
        update.gradients().backward({mean}, {StepNumber(own).over(all)}, reduces, step_.scale());
    }
    section_.meet();
    step_.observer_.after_backward();
    std::optional<TrainingStep::Undivided> undivided;
    if (normaliser && parts.comm.world_size() > 1) undivided = {own, all};
    step_.reduce(update, undivided);
    step_.apply(update, [&] { update.optimizer().step({}, step_.found_inf()); });
}

void ManualStep::record(const std::string& name, const Tensor& value) {
    const Batch& batch = *step_.batch_;
    if (batch.size > 0) step_.observer_.record(name, value.detach(), double(batch.size));
}

void ManualStep::output(const std::string& name, BatchField value) {
    step_.batch_->set(name, std::move(value));
}

}  // namespace ailab
