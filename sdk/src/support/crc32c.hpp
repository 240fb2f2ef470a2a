#pragma once
#include "ailab/support/crc32c.hpp"

namespace ailab {

/// crc32c() by a table, for machines without the instruction.
uint32_t crc32c_by_table(const void* data, size_t size, uint32_t crc = 0);

}  // namespace ailab
