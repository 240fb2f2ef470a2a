#pragma once
#include <string>
#include <vector>

#include "ailab/node.hpp"

namespace ailab {

/// What a run that goes on takes from its checkpoint in place of the configuration: the settings
/// that the optimizer's parameter groups hold.
enum class Kept { nothing, learning_rate, value, first_value };

/// A value of the configuration that is not what it was.
struct ConfigChange {
    std::string key;  // dotted path
    std::string before;
    std::string now;
    /// A run that goes on cannot be the same run with it.
    bool refused = false;
    Kept kept = Kept::nothing;

    /// "optimizer.lr was 0.1 and is 0.2".
    std::string str() const;
};

/// What differs between two resolved configurations, in the order of the keys. Where and how a run
/// is computed, logged and validated may change; what it computes may not.
std::vector<ConfigChange> compare_configs(const Node& before, const Node& now);

}  // namespace ailab
