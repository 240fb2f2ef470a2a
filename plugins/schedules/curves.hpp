#pragma once
#include <cmath>

namespace ailab {

/// From `start` (x = 0) to `end` (x = 1) in a straight line.
inline double line_between(double start, double end, double x) {
    return start + (end - start) * x;
}

/// The same along half a period of a cosine; goes back up after that.
inline double cosine_between(double start, double end, double x) {
    return end + (start - end) * (1 + std::cos(M_PI * x)) / 2;
}

}  // namespace ailab
