#pragma once
// Writes pickles, and files as torch.save() does, by hand, so that tests can write wrong ones.
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ailab::test {

/// A number as its little-endian bytes.
template <class T>
std::string raw(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

// Parts of pickles: each pushes one value.

inline const std::string none = "N";
inline const std::string no = "\x89";
inline const std::string empty_tuple = ")";

inline std::string text(const std::string& s) {
    return "X" + raw(uint32_t(s.size())) + s;
}
inline std::string number(int64_t value) {
    return "\x8a\x08" + raw(value);
}
inline std::string global(const std::string& module, const std::string& name) {
    return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
    std::string bytes = "(";
    for (const std::string& item : items) bytes += item;
    return bytes + "t";
}
inline std::string numbers(const std::vector<int64_t>& values) {
    std::string bytes = "(";
    for (const int64_t value : values) bytes += number(value);
    return bytes + "t";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
    std::string bytes = "}(";
    for (const auto& [key, value] : entries) bytes += text(key) + value;
    return bytes + "u";
}
inline std::string call(const std::string& function, const std::string& arguments) {
    return function + arguments + "R";
}
inline std::string storage(const std::string& type, const std::string& key, int64_t elements) {
    return tuple(
               {text("storage"), global("torch", type), text(key), text("cpu"), number(elements)}) +
           "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
    return call(global("torch._utils", "_rebuild_tensor_v2"),
                tuple({storage, number(offset), numbers(sizes), numbers(strides), no,
                       call(global("collections", "OrderedDict"), empty_tuple)}));
}
/// A whole pickle of protocol 2.
inline std::string pickle(const std::string& value) {
    return "\x80\x02" + value + ".";
}

// Files.

struct ZipPart {
    std::string name, bytes;
    uint16_t method = 0;
    std::optional<uint32_t> crc32;
};

inline std::string zip(const std::vector<ZipPart>& parts) {
    std::string file, directory;
    for (const ZipPart& part : parts) {
        const auto* bytes = reinterpret_cast<const Bytef*>(part.bytes.data());
        const std::string sums =
            raw(part.crc32.value_or(uint32_t(crc32_z(0, bytes, part.bytes.size())))) +
            raw(uint32_t(part.bytes.size())) + raw(uint32_t(part.bytes.size())) +
            raw(uint16_t(part.name.size()));
        const std::string common = raw(uint16_t(0)) + raw(part.method) + raw(uint32_t(0)) + sums;
        directory += "PK\1\2" + raw(uint32_t(0)) + common + std::string(12, '\0') +
                     raw(uint32_t(file.size())) + part.name;
        file += "PK\3\4" + raw(uint16_t(0)) + common + raw(uint16_t(0)) + part.name + part.bytes;
    }
    return file + directory + "PK\5\6" + raw(uint32_t(0)) + raw(uint16_t(parts.size())) +
           raw(uint16_t(parts.size())) + raw(uint32_t(directory.size())) +
           raw(uint32_t(file.size())) + raw(uint16_t(0));
}

using Storages = std::vector<std::pair<std::string, std::string>>;  // key, bytes

/// The file around a whole pickle.
inline std::string pth(const std::string& pickle, const Storages& storages = {}) {
    std::vector<ZipPart> parts = {{"archive/data.pkl", pickle, 0, {}},
                                  {"archive/byteorder", "little", 0, {}}};
    for (const auto& [key, bytes] : storages)
        parts.push_back({"archive/data/" + key, bytes, 0, {}});
    return zip(parts);
}

/// The same as before PyTorch 1.6; the elements of all storages have `item_size` bytes.
inline std::string legacy_pth(const std::string& values, const Storages& storages,
                              size_t item_size) {
    std::string file = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") +
                       pickle(number(1001)) + pickle(dict({{"little_endian", "\x88"}})) + values;
    std::string keys = "](";
    for (const auto& [key, bytes] : storages) keys += text(key);
    file += pickle(keys + "e");
    for (const auto& [key, bytes] : storages)
        file += raw(uint64_t(bytes.size() / item_size)) + bytes;
    return file;
}

}  // namespace ailab::test
