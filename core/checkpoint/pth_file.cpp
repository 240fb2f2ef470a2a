#include "pth_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <vector>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr std::string_view zip_start = "PK\3\4";
/// 0x1950a86a20f9469cfc6c: the first pickle of a file from before PyTorch 1.6.
constexpr std::string_view legacy_magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t legacy_version = 1001;
constexpr size_t max_dimensions = 64;
constexpr size_t max_key = 256;

std::string first_bytes(const InputFile& file, uint64_t offset, uint64_t count) {
    if (offset >= file.size()) return "";
    std::string bytes(size_t(std::min(count, file.size() - offset)), '\0');
    file.read(bytes.data(), bytes.size(), offset);
    return bytes;
}

bool is_legacy_start(const std::string& bytes) {
    return bytes.size() > 1 && uint8_t(bytes[0]) == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

bool is_tar(const InputFile& file) {
    return first_bytes(file, 257, 5) == "ustar";
}

// Tensors as they are pickled.

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

constexpr NamedType dtypes[] = {
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

using Arguments = std::vector<PickleRef>;

/// The function that makes a strided tensor from a storage, and its arguments.
struct TensorCall {
    std::string_view function;
    const Arguments* arguments = nullptr;
};

constexpr std::string_view rebuild_v1 = "torch._utils._rebuild_tensor";
constexpr std::string_view rebuild_v2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view rebuild_v3 = "torch._utils._rebuild_tensor_v3";

size_t argument_count(std::string_view function) {
    if (function == rebuild_v1) return 4;
    if (function == rebuild_v2) return 6;
    return function == rebuild_v3 ? 7 : 0;
}

/// Looks through parameters and subclasses, which wrap another call; nothing when it is no tensor.
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

/// ("storage", FloatStorage, key, device, number of elements).
struct StorageId {
    at::ScalarType type = at::kByte;
    std::string key;
    int64_t bytes = 0;
};

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

const Arguments* storage_arguments(const PickleValue& value) {
    const auto* persistent = value.get<PicklePersistent>();
    const Arguments* id = persistent ? items_of(*persistent->id) : nullptr;
    if (!id || id->size() < 5) return nullptr;
    const auto* kind = (*id)[0]->get<std::string>();
    return kind && *kind == "storage" ? id : nullptr;
}

/// Keys are short numbers.
const std::string* storage_key(const PickleValue& value) {
    const auto* key = value.get<std::string>();
    return key && key->size() <= max_key ? key : nullptr;
}

StorageId storage_id(const PickleValue& value) {
    const Arguments* id = storage_arguments(value);
    if (!id) throw Error(concat("it has no storage, but ", describe(value)));
    const std::string* key = storage_key(*(*id)[2]);
    if (!key) throw Error(concat("the key of its storage is ", describe(*(*id)[2])));
    if (id->size() > 5 && !(*id)[5]->get<PickleNone>())
        throw Error(
            "its storage is a view of another one, which only PyTorch before 0.4 wrote: "
            "load the file there and save it again");
    StorageId found{type_named(storage_types, *(*id)[1]), *key};
    found.bytes = checked_multiply(natural(*(*id)[4], "the size of its storage"),
                                   int64_t(c10::elementSize(found.type)), "its storage");
    return found;
}

/// A strided view of a storage, checked against its bounds.
struct View {
    at::ScalarType type = at::kByte;
    StorageId storage;
    int64_t offset = 0;  // in elements, as the strides
    std::vector<int64_t> sizes, strides;
};

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
    if (bytes > view.storage.bytes && bytes > PthFile::max_expanded_bytes)
        throw Error(concat("it repeats a storage of ", view.storage.bytes, " bytes to ", bytes,
                           "; at most ", PthFile::max_expanded_bytes, " are read"));
}

/// Lazy conjugation and negation of complex numbers.
bool has_metadata(const Arguments& arguments, size_t index) {
    return arguments.size() > index && !entries_of(*arguments[index]).empty();
}

View view_of(const TensorCall& call) {
    const Arguments& arguments = *call.arguments;
    View view;
    view.storage = storage_id(*arguments[0]);
    view.type = view.storage.type;
    view.offset = natural(*arguments[1], "its offset");
    view.sizes = naturals(*arguments[2], "its shape");
    view.strides = naturals(*arguments[3], "its strides");
    if (call.function == rebuild_v3) view.type = type_named(dtypes, *arguments[6]);
    if (has_metadata(arguments, argument_count(call.function)))
        throw Error(
            "it is a lazy conjugate or negative; call resolve_conj() and resolve_neg() on "
            "it before torch.save");
    check_bounds(view);
    return view;
}

}  // namespace

bool is_pth_file(const InputFile& file) {
    const std::string start = first_bytes(file, 0, zip_start.size());
    return start == zip_start || is_legacy_start(start) || is_tar(file);
}

PthFile::PthFile(const std::string& path) : file_(path) {
    try {
        const std::string start = first_bytes(file_, 0, zip_start.size());
        if (start == zip_start)
            open_zip();
        else if (is_legacy_start(start))
            open_legacy();
        else if (is_tar(file_))
            throw Error(
                "it has the tar format of PyTorch before 0.1.10; load it with torch.load "
                "and save it again");
        else
            throw Error("it is no file of torch.save");
    } catch (const Error& error) {
        throw Error(printable(concat("cannot read ", path, ": ", error.what())));
    }
}

void PthFile::open_zip() {
    constexpr std::string_view pickle_name = "data.pkl";
    records_ = read_zip_directory(file_);
    const ZipRecord* pickle = nullptr;
    for (const auto& [name, record] : records_) {
        const size_t slash = name.find('/');
        if (slash == std::string::npos || name.substr(slash + 1) != pickle_name) continue;
        if (pickle) throw Error(concat("it has two records ", pickle_name));
        pickle = &record;
        folder_ = name.substr(0, slash + 1);
    }
    if (!pickle)
        throw Error(concat("it is a zip file without ", pickle_name, ": no file of torch.save"));
    if (records_.count(folder_ + "constants.pkl"))
        throw Error(
            "it is a TorchScript program of torch.jit.save; save the model's state_dict() "
            "with torch.save");
    check_record(*pickle, file_, std::string(pickle_name));
    if (const auto order = records_.find(folder_ + "byteorder"); order != records_.end()) {
        check_record(order->second, file_, "byteorder");
        const std::string text =
            first_bytes(file_, order->second.begin, std::min<uint64_t>(order->second.size, 8));
        if (text != "little")
            throw Error(concat("its byte order is \"", text,
                               "\"; only little-endian files are "
                               "read"));
    }
    ByteReader bytes(file_, pickle->begin, pickle->begin + pickle->size);
    graph_ = read_pickle(bytes);
}

/// Pickles of a magic number, a version, the system, the values and the keys of the storages; then
/// each storage: the number of its elements in 8 bytes, and they.
void PthFile::open_legacy() {
    ByteReader bytes(file_, 0, file_.size());
    const PickleGraph magic = read_pickle(bytes);
    const auto* number = magic.root->get<PickleBigInt>();
    if (!number || number->bytes != legacy_magic)
        throw Error("it is a plain pickle, no file of torch.save");
    const PickleGraph version = read_pickle(bytes);
    if (as_integer(*version.root) != legacy_version)
        throw Error(concat("its version is ", describe(*version.root), ", ", legacy_version,
                           " was expected"));
    const PickleGraph system = read_pickle(bytes);
    const PickleRef little = find(*system.root, "little_endian");
    if (little && little->get<bool>() && !*little->get<bool>())
        throw Error("its byte order is big-endian; only little-endian files are read");
    graph_ = read_pickle(bytes);

    std::map<std::string, int64_t> item_sizes;
    for (const PickleValue& value : graph_.values) {
        const Arguments* id = storage_arguments(value);
        if (!id) continue;
        const std::string* key = storage_key(*(*id)[2]);
        if (key) item_sizes[*key] = int64_t(c10::elementSize(type_named(storage_types, *(*id)[1])));
    }
    const PickleGraph keys = read_pickle(bytes);
    const Arguments* list = items_of(*keys.root);
    if (!list) throw Error(concat("the keys of its storages are ", describe(*keys.root)));
    for (const PickleRef item : *list) {
        const std::string* key = storage_key(*item);
        if (!key || !item_sizes.count(*key))
            throw Error(concat("it has the storage ", describe(*item), ", which no value uses"));
        const std::string name = "storage " + *key;
        const auto count = bytes.number<int64_t>();
        const int64_t size =
            count < 0 ? -1 : checked_multiply(count, item_sizes[*key], "a storage");
        if (size < 0 || uint64_t(size) > bytes.left())
            throw Error(concat("its ", name, " has ", count, " elements; ", bytes.left(),
                               " bytes are there: it is cut short"));
        const ZipRecord record{bytes.position(), uint64_t(size)};
        if (!storages_.emplace(*key, Storage{record, name, {}}).second)
            throw Error(concat("it has the ", name, " twice"));
        bytes.skip(uint64_t(size));
    }
}

PthFile::Storage& PthFile::find_storage(const std::string& key) {
    if (const auto known = storages_.find(key); known != storages_.end()) return known->second;
    const std::string name = "data/" + key;
    const auto record = records_.find(folder_ + name);
    if (record == records_.end()) throw Error(concat("its storage \"", key, "\" is not there"));
    return storages_.emplace(key, Storage{record->second, name, {}}).first->second;
}

const at::Tensor& PthFile::read_storage(Storage& storage) {
    if (storage.bytes.defined()) return storage.bytes;
    const at::Tensor bytes = at::empty({int64_t(storage.record.size)}, at::kByte);
    file_.read(bytes.mutable_data_ptr(), storage.record.size, storage.record.begin);
    check_record(storage.record, bytes.const_data_ptr(), storage.name);
    return storage.bytes = bytes;
}

/// A bool that is neither 0 nor 1 would be undefined behaviour later.
const at::Tensor& PthFile::read_bools(Storage& storage) {
    if (!storage.bools.defined()) storage.bools = read_storage(storage).ne(0);
    return storage.bools;
}

bool PthFile::is_tensor(const PickleValue& value) {
    return tensor_call(value).has_value();
}

at::Tensor PthFile::tensor(const PickleValue& value, const std::string& name) {
    try {
        const std::optional<TensorCall> call = tensor_call(value);
        if (!call) throw Error(concat("it is ", describe(value), ", not a tensor"));
        const View view = view_of(*call);
        Storage& storage = find_storage(view.storage.key);
        if (storage.record.size != uint64_t(view.storage.bytes))
            throw Error(concat("its storage has ", storage.record.size, " bytes, not ",
                               view.storage.bytes));
        const at::Tensor& bytes =
            view.type == at::kBool ? read_bools(storage) : read_storage(storage);
        if (++tensors_ > max_tensors)
            throw Error(concat("there are more than ", max_tensors, " tensors"));
        return at::empty({0}, at::TensorOptions(view.type))
            .set_(bytes.storage(), view.offset, view.sizes, view.strides);
    } catch (const Error& error) {
        throw Error(
            printable(concat("cannot read ", path(), ": tensor \"", name, "\": ", error.what())));
    }
}

}  // namespace ailab
