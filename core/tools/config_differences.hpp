#pragma once
#include <map>
#include <string>
#include <vector>

namespace ailab {

/// The values of a configuration by their dotted paths, in one line each.
using FlatConfig = std::map<std::string, std::string>;

FlatConfig flatten_config(const std::string& yaml, const std::string& source);

/// The paths whose values are not the same in all; a path that one of them has not counts, of a
/// module that one has not only its type. Where a run is kept and how it shows its progress does
/// not count.
std::vector<std::string> differing_paths(const std::vector<FlatConfig>& configs);

}  // namespace ailab
