#pragma once
#include <cstddef>
#include <cstdint>

#include "ailab/export.hpp"

namespace ailab {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), as iSCSI and TensorBoard use it: that of
/// "123456789" is 0xE3069283. Goes on from `crc`, the checksum of what came before. Uses the SSE
/// 4.2 instruction where there is one. Thread-safe.
AILAB_API uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);

}  // namespace ailab
