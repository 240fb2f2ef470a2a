#pragma once
#include <string>

#include "ailab/node.hpp"

namespace ailab {

/// Block-style YAML that read_yaml() reads back to the same tree. Floats keep all their digits.
std::string to_yaml(const Node& node);

/// JSON of one line (indent < 0) or indented. NaN and infinities become null.
AILAB_API std::string to_json(const Node& node, int indent = -1);
/// Throws Error that names `source` when the text is no JSON. Integers stay integers.
AILAB_API Node from_json(const std::string& text, const std::string& source);

}  // namespace ailab
