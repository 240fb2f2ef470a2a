#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ailab {

/// Bytes of a tensor that a file tells of. Nothing for a negative size, and where they, or the
/// strides that also an empty tensor has, do not fit: LibTorch would throw its own error.
inline std::optional<size_t> bytes_of_shape(const std::vector<int64_t>& shape, size_t item_size) {
    int64_t bytes = int64_t(item_size), strides = int64_t(item_size);
    for (const int64_t size : shape)
        if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes) ||
            __builtin_mul_overflow(strides, std::max<int64_t>(size, 1), &strides))
            return std::nullopt;
    return size_t(bytes);
}

}  // namespace ailab
