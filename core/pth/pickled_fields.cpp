#include "ailab/datasets/pickled_fields.hpp"

#include <ATen/ATen.h>

#include "ailab/support/tensor_size.hpp"
#include "files/input_file.hpp"
#include "pickle_values.hpp"

namespace ailab {
namespace {

/// Text, or bytes that stand for it: Python 2 knew no difference.
const std::string* text_of(const PickleValue& value) {
    if (const auto* bytes = value.get<PickleBytes>()) return &bytes->bytes;
    return value.get<std::string>();
}

std::optional<at::ScalarType> scalar_type(const std::string& name) {
    static const std::map<std::string, at::ScalarType> types = {
        {"u1", at::kByte}, {"i1", at::kChar},  {"i2", at::kShort},  {"i4", at::kInt},
        {"i8", at::kLong}, {"f4", at::kFloat}, {"f8", at::kDouble}, {"b1", at::kBool}};
    const auto found = types.find(name);
    return found == types.end() ? std::nullopt : std::optional(found->second);
}

/// The dtype of numpy.dtype("u1", …) with the state (3, "|", …), of the machine's byte order.
std::optional<at::ScalarType> dtype_of(const PickleValue& value) {
    const PickleCall* call = call_of(value, "numpy.dtype");
    const auto* arguments = call ? items_of(*call->arguments) : nullptr;
    const std::string* name =
        arguments && !arguments->empty() ? text_of(*arguments->front()) : nullptr;
    if (!name) return std::nullopt;
    const auto* state = call->state ? items_of(*call->state) : nullptr;
    const std::string* order = state && state->size() > 1 ? text_of(*(*state)[1]) : nullptr;
    if (order && *order == ">") return std::nullopt;
    return scalar_type(*name);
}

/// An array: _reconstruct(…) with the state (version, shape, dtype, in Fortran's order, bytes).
std::optional<Tensor> array_of(const PickleValue& value) {
    const PickleCall* call = value.call();
    if (!call || !global_name(*call->function).ends_with(".multiarray._reconstruct"))
        return std::nullopt;
    const auto* state = call->state ? items_of(*call->state) : nullptr;
    if (!state || state->size() != 5) return std::nullopt;
    const auto* shape_items = items_of(*(*state)[1]);
    const auto type = dtype_of(*(*state)[2]);
    const auto* fortran = (*state)[3]->get<bool>();
    const std::string* bytes = text_of(*(*state)[4]);
    if (!shape_items || !type || !fortran || !bytes) return std::nullopt;
    std::vector<int64_t> shape;
    for (const PickleRef item : *shape_items) shape.push_back(as_integer(*item).value_or(-1));
    const std::optional<size_t> expected = bytes_of_shape(shape, c10::elementSize(*type));
    if (!expected) throw Error("an array has an impossible shape");
    if (*expected != bytes->size())
        throw Error(concat("an array of ", *expected, " bytes has ", bytes->size()));
    if (*fortran) std::reverse(shape.begin(), shape.end());
    Tensor array = at::empty(shape, *type);
    if (!bytes->empty()) std::memcpy(array.mutable_data_ptr(), bytes->data(), bytes->size());
    if (!*fortran) return array;
    std::vector<int64_t> order;
    for (int64_t i = array.dim(); i-- > 0;) order.push_back(i);
    return array.permute(order).contiguous();
}

std::optional<BatchField> list_of(const std::vector<PickleRef>& items) {
    std::vector<int64_t> numbers;
    std::vector<std::string> texts;
    for (const PickleRef item : items) {
        if (const auto number = as_integer(*item)) numbers.push_back(*number);
        if (const std::string* text = text_of(*item)) texts.push_back(*text);
    }
    if (!items.empty() && numbers.size() == items.size()) return at::tensor(numbers, at::kLong);
    if (texts.size() == items.size()) return texts;
    return std::nullopt;
}

std::optional<BatchField> field_of(const PickleValue& value) {
    if (auto array = array_of(value)) return *array;
    if (const auto* items = items_of(value)) return list_of(*items);
    return std::nullopt;
}

}  // namespace

std::map<std::string, BatchField> read_pickled_fields(const std::string& path) {
    const InputFile file(path);
    try {
        ByteReader bytes(file, 0, file.size());
        const PickleGraph graph = read_pickle(bytes);
        if (!is_mapping(*graph.root)) throw Error("it holds " + describe(*graph.root));
        std::map<std::string, BatchField> fields;
        for (const auto& [key, value] : entries_of(*graph.root)) {
            const std::string* name = text_of(*key);
            if (!name) continue;
            if (auto field = field_of(*value)) fields[*name] = std::move(*field);
        }
        return fields;
    } catch (const Error& error) {
        throw Error(concat(path, " is no pickle of a dict of arrays: ", error.what()));
    }
}

}  // namespace ailab
