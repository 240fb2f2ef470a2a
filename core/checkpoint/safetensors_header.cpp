#include "safetensors_header.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "ailab/error.hpp"

namespace ailab {
namespace {

using nlohmann::json;

constexpr int deepest = 16;  // three levels are in use

/// What stands there, for messages.
std::string shown(const json& value) {
    constexpr size_t longest = 200;
    const std::string text = value.dump();
    return text.size() <= longest ? text : text.substr(0, longest) + "…";
}

/// The parser quotes bytes of the file, which need not be text.
std::string ascii(std::string text) {
    for (char& c : text)
        if (c < ' ' || c > '~') c = '?';
    return text;
}

/// json::parse keeps the last of two equal keys in silence.
json parse_without_duplicates(const std::string& text, const std::string& path) {
    std::vector<std::set<std::string>> open;
    auto callback = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > deepest) throw Error(path + ": the header is nested too deeply");
        if (event == json::parse_event_t::object_start) open.emplace_back();
        if (event == json::parse_event_t::object_end) open.pop_back();
        if (event == json::parse_event_t::key &&
            !open.back().insert(parsed.get<std::string>()).second)
            throw Error(concat(path, ": the header has \"", parsed.get<std::string>(), "\" twice"));
        return true;
    };
    try {
        return json::parse(text, callback);
    } catch (const json::exception& error) {
        throw Error(concat(path, ": the header is no JSON: ", ascii(error.what())));
    }
}

uint64_t checked_product(uint64_t a, uint64_t b, const std::string& where) {
    if (b != 0 && a > uint64_t(std::numeric_limits<int64_t>::max()) / b)
        throw Error(where + ": its size overflows");
    return a * b;
}

/// A whole number that fits int64_t; JSON's other numbers are refused.
uint64_t whole_number(const json& value, const std::string& where, const char* what) {
    if (!value.is_number_unsigned() ||
        value.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()))
        throw Error(concat(where, ": ", what, " must be a whole number, got ", shown(value)));
    return value.get<uint64_t>();
}

TensorEntry parse_entry(const std::string& name, const json& value, const std::string& path) {
    const std::string where = concat(path, ": tensor \"", name, "\"");
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets"))
        throw Error(where + ": expected a map of dtype, shape and data_offsets");
    TensorEntry entry;
    entry.name = name;
    if (!value["dtype"].is_string())
        throw Error(concat(where, ": dtype must be a string, got ", shown(value["dtype"])));
    entry.dtype = value["dtype"].get<std::string>();
    const uint64_t item_size = safetensors_item_size(entry.dtype);
    if (item_size == 0) throw Error(concat(where, ": unknown dtype \"", entry.dtype, "\""));

    if (!value["shape"].is_array())
        throw Error(concat(where, ": shape must be a list, got ", shown(value["shape"])));
    uint64_t bytes = item_size;
    uint64_t strides = item_size;  // what memory layouts are computed with, also of empty tensors
    for (const json& dimension : value["shape"]) {
        entry.shape.push_back(int64_t(whole_number(dimension, where, "a dimension")));
        bytes = checked_product(bytes, uint64_t(entry.shape.back()), where);
        strides =
            checked_product(strides, std::max<uint64_t>(uint64_t(entry.shape.back()), 1), where);
    }
    const json& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2)
        throw Error(concat(where, ": data_offsets must be [begin, end], got ", shown(offsets)));
    entry.begin = whole_number(offsets[0], where, "an offset");
    entry.end = whole_number(offsets[1], where, "an offset");
    if (entry.end < entry.begin || entry.end - entry.begin != bytes)
        throw Error(concat(where, ": data_offsets ", shown(offsets), " do not hold the ", bytes,
                           " bytes of its shape"));
    return entry;
}

void check_layout(const std::vector<TensorEntry>& entries, uint64_t data_size,
                  const std::string& path) {
    uint64_t end = 0;
    for (const TensorEntry& entry : entries) {
        if (entry.begin != end)
            throw Error(concat(path, ": tensor \"", entry.name, "\" begins at ", entry.begin,
                               entry.begin < end ? ", inside of the one before, which ends at "
                                                 : ", after a hole; the one before ends at ",
                               end));
        end = entry.end;
    }
    if (end > data_size)
        throw Error(concat(path, " is truncated: its tensors take ", end, " bytes, ", data_size,
                           " are there"));
    if (end < data_size)
        throw Error(concat(path, " has ", data_size - end, " bytes after its last tensor"));
}

}  // namespace

uint64_t safetensors_item_size(const std::string& dtype) {
    static const std::map<std::string, uint64_t> sizes = {
        {"F64", 8}, {"I64", 8}, {"U64", 8},     {"F32", 4},     {"I32", 4},
        {"U32", 4}, {"F16", 2}, {"BF16", 2},    {"I16", 2},     {"U16", 2},
        {"I8", 1},  {"U8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};
    const auto found = sizes.find(dtype);
    return found == sizes.end() ? 0 : found->second;
}

std::string encode_header(const SafetensorsHeader& header) {
    std::string text = "{";
    if (!header.metadata.empty()) text += "\"__metadata__\":" + json(header.metadata).dump() + ",";
    for (const TensorEntry& entry : header.entries) {
        if (entry.name == "__metadata__")
            throw Error("a tensor cannot be named __metadata__ in a safetensors file");
        text += json(entry.name).dump() + ":{\"dtype\":" + json(entry.dtype).dump() +
                ",\"shape\":" + json(entry.shape).dump() + ",\"data_offsets\":[" +
                std::to_string(entry.begin) + "," + std::to_string(entry.end) + "]},";
    }
    if (text.back() == ',') text.pop_back();
    text += "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > max_safetensors_header)
        throw Error(concat("a safetensors header of ", text.size(), " bytes is too long; at most ",
                           max_safetensors_header, " are allowed"));
    std::string length(8, '\0');
    for (int i = 0; i < 8; ++i) length[size_t(i)] = char(uint64_t(text.size()) >> (8 * i));
    return length + text;
}

SafetensorsHeader parse_header(const std::string& text, uint64_t data_size,
                               const std::string& path) {
    if (text.empty() || text.front() != '{')
        throw Error(path + ": the header does not begin with {: this is no safetensors file");
    // The parser takes it for the end, whatever follows.
    if (text.find('\0') != std::string::npos)
        throw Error(path + ": the header has a zero byte: this is no safetensors file, or damaged");
    const json parsed = parse_without_duplicates(text, path);
    SafetensorsHeader header;
    for (const auto& [name, value] : parsed.items()) {
        if (name != "__metadata__") {
            header.entries.push_back(parse_entry(name, value, path));
            continue;
        }
        if (!value.is_object()) throw Error(path + ": __metadata__ must be a map of strings");
        for (const auto& [key, item] : value.items()) {
            if (!item.is_string()) throw Error(path + ": __metadata__ must be a map of strings");
            header.metadata[key] = item.get<std::string>();
        }
    }
    // An empty tensor shares its offset with the one after it.
    std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    check_layout(header.entries, data_size, path);
    return header;
}

}  // namespace ailab
