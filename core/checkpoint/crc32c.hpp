#pragma once
#include <cstddef>
#include <cstdint>

namespace ailab {

/// CRC-32C (Castagnoli), as iSCSI and TensorBoard use it: crc32c("123456789") is 0xE3069283. Goes
/// on from `crc`, the checksum of what came before. Uses the SSE 4.2 instruction where there is
/// one.
uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);

/// The same by a table, for machines without the instruction.
uint32_t crc32c_by_table(const void* data, size_t size, uint32_t crc = 0);

}  // namespace ailab
