#include "pth_tensor.hpp"

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab {
namespace {

using Arguments = std::vector<PickleRef>;

constexpr size_t max_dimensions = 64;
constexpr size_t max_key = 256;  // they are short numbers

struct NamedType {
    std::string_view name;
    at::ScalarType type;
};

constexpr NamedType storage_types[] = {
    {"torch.DoubleStorage", at::kDouble},
    {"torch.FloatStorage", at::kFloat},
    {"torch.HalfStorage", at::kHalf},
    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.LongStorage", at::kLong},
    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},
    {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},
    {"torch.BoolStorage", at::kBool},
    {"torch.ComplexFloatStorage", at::kComplexFloat},
    {"torch.ComplexDoubleStorage", at::kComplexDouble},
    {"torch.storage.UntypedStorage", at::kByte},
    {"torch.UntypedStorage", at::kByte},
};

constexpr NamedType torch_dtypes[] = {
    {"torch.float64", at::kDouble},
    {"torch.float32", at::kFloat},
    {"torch.float16", at::kHalf},
    {"torch.bfloat16", at::kBFloat16},
    {"torch.int64", at::kLong},
    {"torch.int32", at::kInt},
    {"torch.int16", at::kShort},
    {"torch.int8", at::kChar},
    {"torch.uint8", at::kByte},
    {"torch.bool", at::kBool},
    {"torch.complex64", at::kComplexFloat},
    {"torch.complex128", at::kComplexDouble},
    {"torch.uint16", at::kUInt16},
    {"torch.uint32", at::kUInt32},
    {"torch.uint64", at::kUInt64},
    {"torch.float8_e4m3fn", at::kFloat8_e4m3fn},
    {"torch.float8_e5m2", at::kFloat8_e5m2},
};

template <size_t n>
at::ScalarType type_named(const NamedType (&table)[n], const PickleValue& value) {
    const std::string_view name = global_name(value);
    for (const NamedType& known : table)
        if (known.name == name) return known.type;
    throw Error(concat("its type is ", describe(value), ", which is not known here"));
}

constexpr std::string_view rebuild_v1 = "torch._utils._rebuild_tensor";
constexpr std::string_view rebuild_v2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view rebuild_v3 = "torch._utils._rebuild_tensor_v3";

size_t argument_count(std::string_view function) {
    if (function == rebuild_v1) return 4;
    if (function == rebuild_v2) return 6;
    return function == rebuild_v3 ? 7 : 0;
}

int64_t checked_multiply(int64_t a, int64_t b, const char* what) {
    int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) throw Error(concat(what, " overflows"));
    return product;
}

int64_t checked_add(int64_t a, int64_t b, const char* what) {
    int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) throw Error(concat(what, " overflows"));
    return sum;
}

int64_t natural(const PickleValue& value, const char* what) {
    const std::optional<int64_t> number = as_integer(value);
    if (!number || *number < 0)
        throw Error(concat(what, " must be a whole number from 0, got ", describe(value)));
    return *number;
}

std::vector<int64_t> naturals(const PickleValue& value, const char* what) {
    const Arguments* items = items_of(value);
    if (!items) throw Error(concat(what, " must be a list of numbers, got ", describe(value)));
    if (items->size() > max_dimensions)
        throw Error(concat(what, " has ", items->size(), " dimensions; at most ", max_dimensions,
                           " are read"));
    std::vector<int64_t> numbers;
    for (const PickleRef item : *items) numbers.push_back(natural(*item, what));
    return numbers;
}

void check_bounds(const View& view) {
    if (view.sizes.size() != view.strides.size())
        throw Error(concat("it has ", view.sizes.size(), " dimensions and ", view.strides.size(),
                           " strides"));
    const auto item = int64_t(c10::elementSize(view.type));
    int64_t bytes = item;
    int64_t padded = item;  // what ATen computes with, also of empty tensors
    int64_t last = view.offset;
    for (size_t i = 0; i < view.sizes.size(); ++i) {
        bytes = checked_multiply(bytes, view.sizes[i], "its size");
        padded = checked_multiply(padded, std::max<int64_t>(view.sizes[i], 1), "its size");
        const int64_t steps = std::max<int64_t>(view.sizes[i] - 1, 0);
        last = checked_add(last, checked_multiply(steps, view.strides[i], "its size"), "its size");
    }
    const int64_t end = checked_multiply(checked_add(last, 1, "its size"), item, "its size");
    if (bytes > 0 && end > view.storage.bytes)
        throw Error(
            concat("it reaches to byte ", end, " of its storage, which has ", view.storage.bytes));
    if (bytes > view.storage.bytes && bytes > max_expanded_bytes)
        throw Error(concat("it repeats a storage of ", view.storage.bytes, " bytes to ", bytes,
                           "; at most ", max_expanded_bytes, " are read"));
}

/// Lazy conjugation and negation of complex numbers.
bool has_metadata(const Arguments& arguments, size_t index) {
    return arguments.size() > index && !entries_of(*arguments[index]).empty();
}

}  // namespace

std::optional<TensorCall> tensor_call(const PickleValue& value) {
    const PickleCall* call = value.call();
    if (!call) return std::nullopt;
    TensorCall found{global_name(*call->function), items_of(*call->arguments)};
    // A subclass of Parameter is the longest chain; the values of a hostile file may go in circles.
    constexpr int max_wrappers = 3;
    for (int depth = 0; depth <= max_wrappers && found.arguments; ++depth) {
        const Arguments& arguments = *found.arguments;
        if (const size_t count = argument_count(found.function); count > 0)
            return arguments.size() >= count ? std::optional(found) : std::nullopt;
        if (found.function == "torch._tensor._rebuild_from_type_v2" && arguments.size() == 4) {
            found = {global_name(*arguments[0]), items_of(*arguments[2])};
        } else if ((found.function == "torch._utils._rebuild_parameter" ||
                    found.function == "torch._utils._rebuild_parameter_with_state") &&
                   !arguments.empty() && arguments[0]->call()) {
            const PickleCall* data = arguments[0]->call();
            found = {global_name(*data->function), items_of(*data->arguments)};
        } else {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<StorageId> storage_id(const PickleValue& value) {
    const auto* persistent = value.get<PicklePersistent>();
    const Arguments* id = persistent ? items_of(*persistent->id) : nullptr;
    if (!id || id->size() < 5) return std::nullopt;
    const auto* kind = (*id)[0]->get<std::string>();
    if (!kind || *kind != "storage") return std::nullopt;
    const auto* key = (*id)[2]->get<std::string>();
    if (!key || key->size() > max_key)
        throw Error(concat("the key of its storage is ", describe(*(*id)[2])));
    if (id->size() > 5 && !(*id)[5]->get<PickleNone>())
        throw Error(
            "its storage is a view of another one, which only PyTorch before 0.4 wrote: load the "
            "file there and save it again");
    StorageId found{type_named(storage_types, *(*id)[1]), *key};
    found.bytes = checked_multiply(natural(*(*id)[4], "the size of its storage"),
                                   int64_t(c10::elementSize(found.type)), "its storage");
    return found;
}

View view_of(const TensorCall& call) {
    const Arguments& arguments = *call.arguments;
    View view;
    const std::optional<StorageId> storage = storage_id(*arguments[0]);
    if (!storage) throw Error(concat("it has no storage, but ", describe(*arguments[0])));
    view.storage = *storage;
    view.type = view.storage.type;
    view.offset = natural(*arguments[1], "its offset");
    view.sizes = naturals(*arguments[2], "its shape");
    view.strides = naturals(*arguments[3], "its strides");
    if (call.function == rebuild_v3) view.type = type_named(torch_dtypes, *arguments[6]);
    if (has_metadata(arguments, argument_count(call.function)))
        throw Error(
            "it is a lazy conjugate or negative; call resolve_conj() and resolve_neg() on "
            "it before torch.save");
    check_bounds(view);
    return view;
}

}  // namespace ailab
