#include "served_model.hpp"

#include <ATen/ATen.h>

#include "ailab/binding.hpp"
#include "data/memory_format.hpp"
#include "host/error_context.hpp"

namespace ailab {

ServedModel::ServedModel(ServedSpec spec, const std::string& device, std::shared_ptr<Model> made)
    : spec_(std::move(spec)) {
    RunConfig& run = config_.run;
    Problems problems;
    run.model.config = read_module(kind_name<Model>, spec_.model, "model", problems);
    problems.check();
    run.runtime.device = device;
    chosen_ = choose_device(run, RankInfo());
    device_ = chosen_.device->select(RankInfo());
    config_.model = made ? std::move(made) : run.model.create();
    Model& model = *config_.model;
    if (spec_.dtype == "float64") model.to(at::kDouble);
    if (!device_.is_cpu()) model.to(device_);
    model.eval();
    for (at::Tensor& parameter : model.parameters()) {
        if (spec_.channels_last && parameter.dim() == 4)
            parameter.set_data(to_channels_last(parameter.detach()));
        parameter.requires_grad_(false);
    }
    field_ = spec_.input;
    output_ = output_keys(model, Phase::test, run.model.binding()).at(0);
    std::optional<AutocastPlan> autocast;
    if (spec_.autocast) autocast = AutocastPlan{.dtype = *spec_.autocast};
    Loss* const no_loss = nullptr;
    forward_.emplace(run, model, no_loss, autocast, device_.type());
}

bool ServedModel::has_usual_shape(const at::Tensor& input) const {
    const at::IntArrayRef wanted = spec_.input_shape;
    return wanted.empty() ||
           (input.dim() == int64_t(wanted.size()) + 1 && input.sizes().slice(1) == wanted);
}

void ServedModel::check_input(const at::Tensor& input) const {
    if (has_usual_shape(input)) return;
    constexpr size_t dimensions_of_sequences = 2;
    const bool other_length = spec_.input_shape.size() <= dimensions_of_sequences &&
                              input.dim() == int64_t(spec_.input_shape.size()) + 1;
    if (!other_length) throw Error(concat(fed(), " and got ", c10::str(input.sizes())));
}

std::string ServedModel::fed() const {
    return concat("the model is fed [N, ", c10::str(at::IntArrayRef(spec_.input_shape)).substr(1));
}

Batch ServedModel::batch_of(const at::Tensor& input) const {
    check_input(input);
    const at::ScalarType dtype = scalar_type(spec_);
    Batch batch;
    batch.set(field_, input.is_floating_point() ? input.to(device_, dtype) : input.to(device_));
    batch.size = batch.global_size = input.size(0);
    return batch;
}

Batch ServedModel::model_inputs(const at::Tensor& input) const {
    return bind_inputs(batch_of(input), config_.model->inputs_in(Phase::test),
                       config_.run.model.binding(), forward_->model_label());
}

Batch ServedModel::run(const at::Tensor& input) const {
    const at::NoGradGuard no_grad;
    Batch batch = batch_of(input);
    try {
        forward_->run_model(batch, Phase::test);
    } catch (const std::exception& error) {
        if (has_usual_shape(input)) throw;
        throw Error(concat(fed(), ", and cannot run ", c10::str(input.sizes()), ": ",
                           short_message(error)));
    }
    return batch;
}

at::Tensor ServedModel::forward(const at::Tensor& input) const {
    const Batch batch = run(input);
    if (const at::Tensor* output = batch.find_tensor(output_)) return *output;
    throw Error(concat(forward_->model_label(), " gives no tensor [N, …] as its output \"", output_,
                       "\"; infer, and export to onnx, torchscript and artifact, know no other "
                       "outputs yet. Its weights can be exported, to safetensors and pth"));
}

bool ServedModel::gives_tensor(const at::Tensor& input) const {
    return run(input).find_tensor(output_) != nullptr;
}

}  // namespace ailab
