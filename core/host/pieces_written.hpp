#pragma once
#include <atomic>
#include <cstdint>

namespace ailab {

/// Counts the pieces of large files that this process has written: while it grows, a rank that
/// seems to stand still is at work.
inline std::atomic<uint64_t>& pieces_written() noexcept {
    static std::atomic<uint64_t> count{0};
    return count;
}

}  // namespace ailab
