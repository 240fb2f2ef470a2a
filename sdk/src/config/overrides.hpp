#pragma once
#include <string>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// `path.to.key=value`: sets the value, read as YAML, in the tree. A part of the path is a key of a
/// map or a number in a list. Maps on the way are made; whether the keys exist in the schema is
/// found when the tree is checked. Everything set gets the override's place.
void apply_override(Node& root, const std::string& text, int number, Problems& problems);

/// Where a value of the command line was given: "command line, optimizer.lr=0.1". `text` is the
/// override, or the option that it stands for; `number` (its column) orders the complaints.
Place override_place(const std::string& text, int number = 0);
bool is_override(const Place& place);

}  // namespace ailab
