#include "model_step.hpp"

#include <ATen/ATen.h>

#include "error_context.hpp"

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

double ModelStep::global_sum(double local) {
    if (runner_.job_.world_size() == 1) return local;
    Tensor sum = at::full({1}, local, at::kDouble);
    runner_.job_.all_reduce_sum(sum);
    return sum.item<double>();
}

void ModelStep::update(const std::string& optimizer, const std::function<Tensor()>& loss,
                       std::optional<double> normaliser) {
    const auto found = runner_.modules_.updates.find(optimizer);
    if (found == runner_.modules_.updates.end()) {
        std::vector<std::string> names;
        for (const auto& [name, update] : runner_.modules_.updates)
            names.push_back(concat('"', name, '"'));
        throw Error(concat("there is no optimizer \"", optimizer, "\"; there are ", join(names)));
    }
    ParameterUpdate& update = *found->second;
    const OnlyThese only(*runner_.modules_.model, update.parameters());
    const Batch& batch = runner_.batch_;
    section_.meet();
    update.begin();
    const double local = normaliser.value_or(double(batch.size));
    const double global = normaliser ? global_sum(local) : double(runner_.window_.samples);
    const Tensor scale = runner_.scaler_ ? runner_.scaler_->scale() : Tensor();
    if (batch.size > 0) {
        const Tensor mean = [&] {
            const AutocastScope scope = runner_.forward_.autocast();
            return loss();
        }();
        if (!mean.defined() || mean.dim() != 0)
            throw Error(concat("the loss given to update(\"", optimizer, "\") must be a scalar"));
        const bool reduces = !(runner_.sync_batch_norm_ && runner_.sync_batch_norm_->uneven());
        update.backward({mean}, {global == 0 ? 0 : local / global}, reduces, scale);
    }
    section_.meet();
    runner_.hooks_.call(runner_, runner_.after_backward_);
    runner_.reduce_gradients(update, 0, /*by_samples=*/!normaliser);
    runner_.check_unused(update);
    runner_.finish_step(update, [&] {
        update.optimizer().step({}, scale.defined() ? runner_.scaler_->found_inf() : Tensor());
    });
}

void ModelStep::record(const std::string& name, const Tensor& value) {
    if (runner_.batch_.size > 0) runner_.record(name, value.detach(), double(runner_.batch_.size));
}

void ModelStep::output(const std::string& name, BatchField value) {
    runner_.batch_.set(name, std::move(value));
}

}  // namespace ailab
