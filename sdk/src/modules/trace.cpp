#include "ailab/support/trace.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

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

/// A number that the batch's size was a factor of, and what else was.
struct BatchNumber {
    jit::Node* constant;
    int64_t factor;
};

/// The numbers of `graph`, traced with n samples, that are others in `other`, traced with m, in the
/// ratio of the two; none when the graphs are not alike.
std::vector<BatchNumber> batch_numbers(jit::Graph& graph, jit::Graph& other, int64_t n, int64_t m) {
    std::vector<BatchNumber> found;
    auto theirs = other.nodes().begin();
    for (jit::Node* node : graph.nodes()) {
        if (theirs == other.nodes().end() || node->kind() != (*theirs)->kind()) return {};
        jit::Node* const twin = *theirs++;
        if (node->kind() != c10::prim::Constant) continue;
        const auto mine = jit::toIValue(node->output()), its = jit::toIValue(twin->output());
        if (!mine || !its || !mine->isInt() || !its->isInt() || mine->toInt() == its->toInt())
            continue;
        const int64_t a = mine->toInt(), b = its->toInt();
        if (a % n == 0 && b % m == 0 && a / n == b / m) found.push_back({node, a / n});
    }
    return theirs == other.nodes().end() ? found : std::vector<BatchNumber>();
}

/// What the model asked C++ for as its batch's size becomes a size that the graph asks for itself.
void open_batch(jit::Graph& graph, jit::Graph& other, int64_t n, int64_t m) {
    const std::vector<BatchNumber> numbers = batch_numbers(graph, other, n, m);
    if (numbers.empty()) return;
    const jit::WithInsertPoint at_the_beginning(*graph.nodes().begin());
    jit::Value* const batch = graph.inputs().at(1);  // behind the module itself
    jit::Value* const size = graph.insert(c10::aten::size, {batch, int64_t(0)});
    for (const BatchNumber& number : numbers) {
        jit::Value* const value =
            number.factor == 1 ? size : graph.insert(c10::aten::mul, {size, number.factor});
        number.constant->output()->replaceAllUsesWith(value);
    }
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

namespace {

TracedModel trace_once(Model& model, const Batch& inputs) {
    TracedModel traced;
    traced.outputs = model.outputs_in(Phase::test);
    jit::Stack given;
    for (const std::string& name : model.inputs_in(Phase::test)) {
        if (const Tensor* tensor = inputs.find_tensor(name)) {
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

}  // namespace

TracedModel trace_model(Model& model, const Batch& inputs) {
    TracedModel traced = trace_once(model, inputs);
    const int64_t n = inputs.size, m = n - 1;
    if (n < 2 || traced.inputs.empty()) return traced;
    const TracedModel other = trace_once(model, first_samples(inputs, m));
    open_batch(*traced.module.get_method("forward").graph(),
               *other.module.get_method("forward").graph(), n, m);
    return traced;
}

}  // namespace ailab
