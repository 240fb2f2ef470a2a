#pragma once
#include "ailab/ailab.hpp"

namespace ailab {

/// The number that a module's save_state() stored under `name`.
inline const Node& saved_number(const State& state, const std::string& module, const char* name) {
    const Node* node = state.values.find(name);
    if (!node || !node->is_number())
        throw Error(concat("the saved state of ", module, " has no number \"", name, '"'));
    return *node;
}

}  // namespace ailab
