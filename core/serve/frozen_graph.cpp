#include "frozen_graph.hpp"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ailab/trace.hpp"
#include "largest_difference.hpp"

namespace ailab {
namespace {

thread_local bool value_was_read = false;

/// Notes, while it lives, whether this thread takes a number out of a tensor. What a model decides
/// by one is no part of its graph, which would decide as for the example forever.
class ValueWatch {
  public:
    ValueWatch()
        : handle_(at::addThreadLocalCallback(
              at::RecordFunctionCallback(note).scopes({at::RecordScope::FUNCTION}))) {
        value_was_read = false;
    }
    ~ValueWatch() { at::removeCallback(handle_); }
    ValueWatch(const ValueWatch&) = delete;
    ValueWatch& operator=(const ValueWatch&) = delete;

    bool has_seen_one() const { return value_was_read; }

  private:
    static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function) {
        constexpr std::array<std::string_view, 4> readers = {
            "aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal"};
        if (std::ranges::find(readers, std::string_view(function.name())) != readers.end())
            value_was_read = true;
        return nullptr;
    }

    const at::CallbackHandle handle_;
};

TracedModel trace(ServedModel& model, const at::Tensor& example) {
    const ValueWatch watch;
    TracedModel traced = trace_model(model.model(), model.model_inputs(example));
    if (watch.has_seen_one()) throw Error("the model decides by its tensors' values");
    return traced;
}

}  // namespace

FrozenGraph::FrozenGraph(ServedModel& model, const at::Tensor& example) {
    const at::NoGradGuard no_grad;
    const TracedModel traced = trace(model, example);
    if (traced.inputs.size() != 1) throw Error("the model has several inputs");
    module_ = torch::jit::freeze(traced.module);
    module_ = torch::jit::optimize_for_inference(module_);
    check(model, example);
    check(model, example.narrow(0, 0, example.size(0) - 1));
}

at::Tensor FrozenGraph::forward(const at::Tensor& input) const {
    const at::NoGradGuard no_grad;
    const c10::IValue result = module_.forward({input});
    return result.isTuple() ? result.toTupleRef().elements()[0].toTensor() : result.toTensor();
}

void FrozenGraph::check(ServedModel& model, const at::Tensor& input) const {
    constexpr double rounding = 1e-4;  // of operations in another order
    const double difference = largest_difference(forward(input), model.forward(input));
    if (!(difference <= rounding))
        throw Error(concat("the frozen graph's outputs differ by ", difference));
}

}  // namespace ailab
