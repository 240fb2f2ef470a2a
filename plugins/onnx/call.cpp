#include "call.hpp"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab::onnx {

namespace jit = torch::jit;

std::string Call::operation() const {
    std::string name = node_.kind().toQualString();
    const size_t begin = name.find("::") + 2;
    if (name.ends_with('_') && name[begin] != '_') name.pop_back();
    return name;
}

c10::IValue Call::constant(size_t i) const {
    const jit::Value* value = node_.input(i);
    if (const auto known = jit::toIValue(value)) return *known;
    if (value->node()->kind() == c10::prim::ListConstruct) {
        c10::List<int64_t> list;
        for (const jit::Value* item : value->node()->inputs()) {
            const auto known = jit::toIValue(item);
            if (!known || !known->isInt()) refuse("a size is computed while it runs");
            list.push_back(known->toInt());
        }
        return list;
    }
    refuse(concat("its argument ", i, " is computed while it runs"));
}

bool Call::is_none(size_t i) const {
    if (i >= size()) return true;
    const auto known = jit::toIValue(node_.input(i));
    return known && known->isNone();
}

bool Call::is_number(size_t i) const {
    const auto known = jit::toIValue(node_.input(i));
    return known && (known->isScalar() || (known->isTensor() && known->toTensor().dim() == 0));
}

std::string Call::tensor(size_t i) const {
    return name_of_(node_.input(i));
}

std::vector<std::string> Call::tensors(size_t i) const {
    const jit::Node* list = node_.input(i)->node();
    if (list->kind() != c10::prim::ListConstruct) refuse("its list is computed while it runs");
    std::vector<std::string> names;
    for (const jit::Value* item : list->inputs()) names.push_back(name_of_(item));
    return names;
}

int64_t Call::integer(size_t i) const {
    const c10::IValue value = constant(i);
    if (value.isBool()) return value.toBool();
    return value.isDouble() ? int64_t(value.toDouble()) : value.toInt();
}

double Call::number(size_t i) const {
    const c10::IValue value = constant(i);
    if (value.isTensor()) return value.toTensor().item<double>();
    return value.toScalar().toDouble();
}

std::string Call::text(size_t i) const {
    return constant(i).toStringRef();
}

std::vector<int64_t> Call::integers(size_t i) const {
    const c10::IValue value = constant(i);
    if (value.isInt()) return {value.toInt()};
    return value.toIntVector();
}

/// aten::size of the batch, or a multiple of it, as a tensor [1].
std::string Call::batch_size(const jit::Value* value) const {
    const jit::Node* node = value->node();
    const auto known = [&] {
        const auto number = jit::toIValue(node->input(1));
        if (!number || !number->isInt()) refuse("a size is computed while it runs");
        return number->toInt();
    };
    if (node->kind() == c10::aten::size) {
        const std::string shape = graph.add("Shape", {name_of_(node->input(0))});
        return graph.add("Gather", {shape, graph.add_ints({known()})}, {{"axis", int64_t(0)}});
    }
    if (node->kind() == c10::aten::mul)
        return graph.add("Mul", {batch_size(node->input(0)), graph.add_ints({known()})});
    refuse("a size is computed while it runs");
}

std::string Call::sizes(size_t i, int64_t negative) const {
    const jit::Value* value = node_.input(i);
    const auto shown = [&](int64_t size) { return size < 0 ? negative : size; };
    const bool is_list = value->node()->kind() == c10::prim::ListConstruct;
    const auto is_known = [](const jit::Value* item) { return jit::toIValue(item).has_value(); };
    if (!is_list ||
        std::all_of(value->node()->inputs().begin(), value->node()->inputs().end(), is_known)) {
        std::vector<int64_t> all = integers(i);
        std::transform(all.begin(), all.end(), all.begin(), shown);
        return graph.add_ints(all);
    }
    std::vector<std::string> parts;
    for (const jit::Value* item : value->node()->inputs())
        parts.push_back(is_known(item) ? graph.add_ints({shown(jit::toIValue(item)->toInt())})
                                       : batch_size(item));
    return graph.add("Concat", parts, {{"axis", int64_t(0)}});
}

std::vector<int64_t> Call::shape(size_t i) const {
    if (const at::Tensor weight = weight_of_(node_.input(i)); weight.defined())
        return weight.sizes().vec();
    const auto type = node_.input(i)->type()->cast<c10::TensorType>();
    const auto sizes = type ? type->sizes().concrete_sizes() : std::nullopt;
    if (!sizes) refuse(concat("the shape of its argument ", i, " is unknown"));
    return *sizes;
}

at::ScalarType Call::type(size_t i) const {
    const auto type = node_.input(i)->type()->cast<c10::TensorType>();
    return type && type->scalarType() ? *type->scalarType() : at::kFloat;
}

int64_t Call::dimension(size_t i, int64_t of_rank) const {
    const int64_t given = integer(i);
    return given < 0 ? given + of_rank : given;
}

void Call::refuse(const std::string& why) const {
    throw Error(concat("the operation ", node_.kind().toQualString(),
                       " has no counterpart in ONNX here: ", why,
                       ". Write the model without it, or export to torchscript"));
}

}  // namespace ailab::onnx
