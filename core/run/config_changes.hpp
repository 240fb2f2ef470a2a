#pragma once
#include <functional>
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
    /// The key itself came, or went, in a module that is there before and now: a plugin was
    /// rebuilt.
    bool option_came = false, option_went = false;
    /// A path that has another place by a variable that the configuration names.
    bool moved = false;

    /// "optimizer.lr was 0.1 and is 0.2".
    std::string str() const;
};

/// Called for each value that is not the same, in the order of the keys; nullptr where a tree has
/// no such key. Lists are compared as a whole.
using Difference = std::function<void(const std::string& key, const Node* before, const Node* now)>;
void for_each_difference(const Node& before, const Node& now, const Difference& tell);

/// Whether two values of a key of the data differ in texts alone that are paths on both sides: what
/// the same data may be called in two places.
bool is_other_place(const std::string& key, const Node& a, const Node& b);

/// The value for a message. A text that an environment variable stands for and that is no path may
/// be a secret: it is shown as it was written.
std::string shown_value(const Node* node);

/// What differs between two resolved configurations, in the order of the keys. Where and how a run
/// is computed, logged and validated may change; what it computes may not.
std::vector<ConfigChange> compare_configs(const Node& before, const Node& now);

}  // namespace ailab
