#pragma once
#include <chrono>

namespace ailab {

/// What durations are measured with.
using Clock = std::chrono::steady_clock;

inline double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace ailab
