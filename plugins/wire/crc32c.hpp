#pragma once
#include <cstdint>
#include <string_view>

namespace ailab::wire {

/// CRC-32C (Castagnoli): crc32c("123456789") is 0xE3069283.
uint32_t crc32c(std::string_view data);

/// As record files keep it: a checksum over data that holds checksums is weak, so the stored ones
/// are rotated and moved by a constant.
uint32_t masked_crc32c(std::string_view data);

}  // namespace ailab::wire
