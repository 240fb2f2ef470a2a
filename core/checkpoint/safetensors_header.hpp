#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ailab {

/// One tensor of a safetensors file; offsets count from the end of the header.
struct TensorEntry {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    uint64_t begin = 0;
    uint64_t end = 0;
};

struct SafetensorsHeader {
    std::vector<TensorEntry> entries;  // in the order of the data
    std::map<std::string, std::string> metadata;
};

inline constexpr uint64_t max_safetensors_header = 100'000'000;

/// The length in 8 bytes and the JSON, padded to a multiple of 8. Throws Error when it is too long
/// or a name is no UTF-8.
std::string encode_header(const SafetensorsHeader& header);

/// Reads the JSON of a file whose data part has `data_size` bytes, and checks all of it: types,
/// duplicate names, overflow, sizes, overlap, holes, trailing bytes. Throws Error beginning with
/// `path`.
SafetensorsHeader parse_header(const std::string& json, uint64_t data_size,
                               const std::string& path);

/// Bytes of one element of a dtype ("F32"), or 0 when it is not known.
uint64_t safetensors_item_size(const std::string& dtype);

}  // namespace ailab
