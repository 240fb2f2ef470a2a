#pragma once
// Reads and writes a struct with a visitor from and to a map.
#include <functional>
#include <string>
#include <vector>

#include "ailab/options.hpp"

namespace ailab {

/// Calls the visitor for each field: one struct, or several whose keys share a map.
using Visitable = std::function<void(OptionVisitor&)>;

/// How messages name what is read.
struct Subject {
    std::string title;  // `optimizer "AdamW"`, `the configuration`
    std::string path;   // "optimizer", "data.train", ""
    std::string noun;   // "option", "key"
    Place place;        // where a missing key would be
    /// Keys of the map that somebody else reads.
    std::vector<std::string> other_keys;

    std::string path_of(const std::string& key) const {
        return path.empty() ? key : path + "." + key;
    }
};

/// Unknown keys, wrong types, values out of bounds, missing keys and broken rules go to `problems`.
void read_options(const Visitable& visit, const Node& map, const Subject& subject,
                  Problems& problems);

/// All fields with their values. A module that is not set is left out.
Node write_options(const Visitable& visit);

/// Whether a module is what the value is as a rule, so that null means none.
bool is_module(const OptionSchema& schema);

/// The keys that a struct takes, with the values that it has.
struct OptionNames {
    std::vector<std::string> names;
    bool rest = false;  // and all others
};
OptionNames option_names(const Visitable& visit);

}  // namespace ailab
