#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// `path.to.key=value`: sets the value, read as YAML, in the tree. A part of the path is a key of a
/// map or a number in a list. Maps on the way are made; whether the keys exist in the schema is
/// found when the tree is checked. Everything set gets the place "command line" with the override's
/// number as its column.
void apply_override(Node& root, const std::string& text, int number, Problems& problems);

/// The place of override `number`, from 1.
Place override_place(int number);

/// Names the override in the text of every problem that has its place.
std::vector<Problem> name_overrides(std::vector<Problem> problems,
                                    const std::vector<std::string>& overrides);

}  // namespace ailab
