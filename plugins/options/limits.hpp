#pragma once
// How large the integers of the configuration may be. What lies beyond is a slip of the keyboard;
// let through, it would overflow what is computed with it, or ask for memory that no machine has.
#include "ailab/options.hpp"

namespace ailab {

/// A time: steps, iterations or epochs.
inline Bounds steps_from(double least) {
    return between(least, 1e12);
}
/// Samples of a data set or of an epoch.
inline Bounds samples_from(double least) {
    return between(least, 1e10);
}
/// A dimension of a tensor: classes, channels, a width.
inline Bounds size_from(double least) {
    return between(least, 1e9);
}
/// Pixels along one side of an image: what JPEG can hold.
inline Bounds pixels_from(double least) {
    return between(least, 65535);
}
/// Things that are made or done one by one.
inline Bounds count_from(double least) {
    return between(least, 10'000);
}

}  // namespace ailab
