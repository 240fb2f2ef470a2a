#pragma once
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// What a run does with its data, as the `workflow` of a configuration says.
enum class Phase { train, val, test };
inline constexpr std::array phases = {Phase::train, Phase::val, Phase::test};

/// "train", "val", "test".
AILAB_API const char* phase_name(Phase phase);
inline std::vector<std::string> phase_names() {
    std::vector<std::string> names;
    for (const Phase phase : phases) names.emplace_back(phase_name(phase));
    return names;
}
/// `name`: one of phase_names(), by which options are checked; any other is taken for the last.
inline Phase phase_of(const std::string& name) {
    return *std::find_if(phases.begin(), phases.end() - 1,
                         [&](Phase phase) { return name == phase_name(phase); });
}

}  // namespace ailab
