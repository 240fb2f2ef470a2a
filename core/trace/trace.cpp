#include "ailab/trace.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <algorithm>

namespace ailab {
namespace {

namespace jit = torch::jit;

/// Evaluation mode while it lives; afterwards each submodule is in the mode that it had.
class EvaluationMode {
  public:
    explicit EvaluationMode(torch::nn::Module& model) : model_(model) {
        for (const auto& module : model.modules(/*include_self=*/false))
            children_.emplace_back(module.get(), module->is_training());
        model.eval();
    }
    ~EvaluationMode() {
        // train() reaches all below, and parents come first.
        model_.train(was_training_);
        for (const auto& [module, training] : children_) module->train(training);
    }
    EvaluationMode(const EvaluationMode&) = delete;
    EvaluationMode& operator=(const EvaluationMode&) = delete;

  private:
    torch::nn::Module& model_;
    const bool was_training_ = model_.is_training();
    std::vector<std::pair<torch::nn::Module*, bool>> children_;
};

/// The tracer warns of every size that it takes for a constant: here they are.
class QuietTracer {
  public:
    QuietTracer() : before_(jit::tracer::getTracerStateWarnMode().exchange(false)) {}
    ~QuietTracer() { jit::tracer::getTracerStateWarnMode() = before_; }
    QuietTracer(const QuietTracer&) = delete;
    QuietTracer& operator=(const QuietTracer&) = delete;

  private:
    const bool before_;
};

/// The tree of modules with the same tensors, through which the tracer knows them by name.
jit::Module mirror(const torch::nn::Module& module,
                   const std::shared_ptr<jit::CompilationUnit>& unit) {
    jit::Module copy(c10::QualifiedName("__torch__.Module"), unit, /*shouldMangle=*/true);
    for (const auto& item : module.named_parameters(/*recurse=*/false))
        copy.register_parameter(item.key(), item.value(), /*is_buffer=*/false);
    for (const auto& item : module.named_buffers(/*recurse=*/false))
        copy.register_buffer(item.key(), item.value());
    for (const auto& item : module.named_children())
        copy.register_module(item.key(), mirror(*item.value(), unit));
    // What freezes the graph asks every module.
    copy.register_attribute("training", c10::BoolType::get(), false);
    return copy;
}

c10::IValue one_value(jit::Stack values) {
    if (values.size() == 1) return values[0];
    return c10::ivalue::Tuple::create(std::move(values));
}

}  // namespace

Batch first_samples(const Batch& inputs, int64_t count) {
    Batch some;
    some.size = some.global_size = count;
    if (!inputs.ids.empty()) some.ids.assign(inputs.ids.begin(), inputs.ids.begin() + count);
    const auto first = [&](const auto& list) {
        return std::decay_t<decltype(list)>(list.begin(), list.begin() + count);
    };
    for (const auto& [name, field] : inputs.fields) {
        if (const auto* tensor = std::get_if<Tensor>(&field))
            some.set(name, tensor->narrow(0, 0, count).clone());
        else if (const auto* list = std::get_if<std::vector<Tensor>>(&field))
            some.set(name, first(*list));
        else
            some.set(name, first(inputs.strings(name)));
    }
    return some;
}

TracedModel trace_model(Model& model, const Batch& inputs) {
    TracedModel traced;
    traced.outputs = model.outputs();
    jit::Stack given;
    for (const std::string& name : model.inputs()) {
        const auto field = inputs.fields.find(name);
        if (field == inputs.fields.end()) continue;
        if (const auto* tensor = std::get_if<Tensor>(&field->second)) {
            traced.inputs.push_back(name);
            given.emplace_back(*tensor);
        }
    }
    const auto forward = [&](jit::Stack values) {
        Batch bound = inputs;
        for (size_t i = 0; i < values.size(); ++i)
            bound.set(traced.inputs[i], values[i].toTensor());
        const Batch returned = model.forward_batch(bound);
        jit::Stack outputs;
        for (const std::string& name : traced.outputs) outputs.emplace_back(returned.tensor(name));
        return jit::Stack{one_value(std::move(outputs))};
    };
    const at::NoGradGuard no_grad;
    const EvaluationMode evaluation(model);
    const QuietTracer quiet;
    const auto unit = std::make_shared<jit::CompilationUnit>();
    traced.module = mirror(model, unit);
    const auto state = jit::tracer::trace(
        std::move(given), forward, [](const Tensor&) { return std::string(); }, /*strict=*/false,
        /*force_outplace=*/false, &traced.module, traced.inputs);
    const c10::QualifiedName name(*traced.module.type()->name(), "forward");
    traced.module.type()->addMethod(unit->create_function(name, state.first->graph));
    return traced;
}

}  // namespace ailab
