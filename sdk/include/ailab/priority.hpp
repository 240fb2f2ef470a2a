#pragma once
#include <array>
#include <utility>

namespace ailab::priority {

/// MMEngine's priorities of hooks: a lower number runs first; equal numbers run in the file's
/// order.
inline constexpr int very_high = 10;
inline constexpr int high = 30;
inline constexpr int above_normal = 40;
inline constexpr int normal = 50;
inline constexpr int below_normal = 60;
inline constexpr int low = 70;
inline constexpr int very_low = 90;

/// As a configuration names them.
inline constexpr std::array<std::pair<const char*, int>, 7> names = {
    {{"VERY_HIGH", very_high},
     {"HIGH", high},
     {"ABOVE_NORMAL", above_normal},
     {"NORMAL", normal},
     {"BELOW_NORMAL", below_normal},
     {"LOW", low},
     {"VERY_LOW", very_low}}};

}  // namespace ailab::priority
