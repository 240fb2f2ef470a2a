#pragma once
#include <map>
#include <string>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// Expands, in every string of the tree:
///   ${name}              a top-level value of the configuration (seed, work_dir, total_epochs, …),
///                        or its default from `defaults`
///   ${HOME}              the environment variable
///   ${env:NAME}, ${env:NAME,default}
///   ~/ at the beginning  the home folder
///   $${                  a plain ${
/// A value that is one ${…} and nothing else takes the type of what it stands for, in quotes or
/// not. `written` keeps the text as it was.
void expand_variables(Node& root, const std::map<std::string, Node>& defaults, Problems& problems);

/// The text that expands to `text`.
std::string escape_variables(const std::string& text);

}  // namespace ailab
