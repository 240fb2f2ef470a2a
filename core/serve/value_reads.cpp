#include "value_reads.hpp"

#include <ATen/ATen.h>
#include <ATen/TracerMode.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/ir.h>

#include "ailab/error.hpp"

namespace ailab {
namespace {

namespace jit = torch::jit;

thread_local ValueReads* listener = nullptr;

/// Whether a value of a graph is computed from what the model is given.
bool comes_from_input(const jit::Value* value) {
    std::set<const jit::Node*> seen;
    std::vector<const jit::Value*> open = {value};
    while (!open.empty()) {
        const jit::Value* const one = open.back();
        open.pop_back();
        const jit::Node* const node = one->node();
        if (node->kind() == c10::prim::Param) {
            if (one->type()->kind() != c10::TypeKind::ClassType) return true;  // not the module
            continue;
        }
        if (seen.insert(node).second)
            for (const jit::Value* input : node->inputs()) open.push_back(input);
    }
    return false;
}

bool reads_input(const at::RecordFunction& call) {
    // Inside of an operation that the graph has as a whole nothing is lost.
    if (!jit::tracer::isTracing() || !at::tracer::impl::is_dispatch_enabled()) return false;
    const auto& state = jit::tracer::getTracingState();
    for (const c10::IValue& input : call.inputs()) {
        if (!input.isTensor()) continue;
        // What the tracer does not know may come from anywhere.
        if (!state->hasValue(input) || comes_from_input(state->getValue(input))) return true;
    }
    return false;
}

}  // namespace

std::unique_ptr<at::ObserverContext> ValueReads::hear(const at::RecordFunction& call) {
    const std::string name = call.name();
    if (listener && (name == "aten::_local_scalar_dense" || name == "aten::equal") &&
        reads_input(call))
        listener->found_.insert(name);
    return nullptr;
}

ValueReads::ValueReads()
    : handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(hear).needsInputs(true).scopes({at::RecordScope::FUNCTION}))) {
    listener = this;
}

ValueReads::~ValueReads() {
    listener = nullptr;
    at::removeCallback(handle_);
}

std::string ValueReads::warning() const {
    if (found_.empty()) return "";
    return concat("the model reads its input's values while it runs (",
                  found_.contains("aten::equal") ? "equal()" : "item()",
                  "), and a graph holds what it did with those of these samples: a branch that "
                  "others take, or their number, is not in it. Leave such choices to tensors, as "
                  "in where(x > 1, a, b)");
}

}  // namespace ailab
