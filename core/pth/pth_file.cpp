#include "pth_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "ailab/error.hpp"
#include "files/file_kind.hpp"
#include "pth_tensor.hpp"

namespace ailab {
namespace {

constexpr std::string_view zip_start = "PK\3\4";
/// 0x1950a86a20f9469cfc6c: the first pickle of a file from before PyTorch 1.6.
constexpr std::string_view legacy_magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t legacy_version = 1001;

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
            throw Error(concat("it is no file of torch.save, but ", describe_kind(file_)));
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
            throw Error(
                concat("its byte order is \"", text, "\"; only little-endian files are read"));
    }
    ByteReader bytes(file_, pickle->begin, pickle->begin + pickle->size);
    graph_ = read_pickle(bytes);
}

std::string PthFile::text(const std::string& record) const {
    const auto found = records_.find(folder_ + record);
    if (found == records_.end()) return "";
    check_record(found->second, file_, record);
    return first_bytes(file_, found->second.begin, found->second.size);
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
        if (const std::optional<StorageId> id = storage_id(value))
            item_sizes[id->key] = int64_t(c10::elementSize(id->type));
    }
    const PickleGraph keys = read_pickle(bytes);
    const auto* list = items_of(*keys.root);
    if (!list) throw Error(concat("the keys of its storages are ", describe(*keys.root)));
    for (const PickleRef item : *list) {
        const auto* key = item->get<std::string>();
        if (!key || !item_sizes.count(*key))
            throw Error(concat("it has the storage ", describe(*item), ", which no value uses"));
        const std::string name = "storage " + *key;
        const auto count = bytes.number<int64_t>();
        const int64_t size = item_sizes[*key];
        if (count < 0 || uint64_t(count) > bytes.left() / uint64_t(size))
            throw Error(concat("its ", name, " has ", count, " elements; ", bytes.left(),
                               " bytes are there: it is cut short"));
        const ZipRecord record{bytes.position(), uint64_t(count * size)};
        if (!storages_.emplace(*key, Storage{record, name, {}}).second)
            throw Error(concat("it has the ", name, " twice"));
        bytes.skip(record.size);
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
