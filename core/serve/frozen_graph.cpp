#include "frozen_graph.hpp"

#include <ATen/ATen.h>

#include "ailab/support/trace.hpp"
#include "largest_difference.hpp"
#include "value_reads.hpp"

namespace ailab {

FrozenGraph::FrozenGraph(ServedModel& model, const at::Tensor& example) {
    const at::NoGradGuard no_grad;
    const ValueReads reads;
    const TracedModel traced = trace_model(model.model(), model.model_inputs(example));
    if (traced.inputs.size() != 1) throw Error("the model has several inputs");
    if (const std::string why = reads.warning(); !why.empty()) throw Error(why);
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
