#pragma once
#include <string>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// Reads one YAML document: every node with its place, anchors and `<<` resolved, `${…}` not yet
/// expanded. Everything wrong with the text goes to `problems`; the tree then holds what could be
/// read. Refused: duplicate keys, aliases to what they stand in, several documents, tags other than
/// !!str, keys that are no scalars, and more depth or size than any configuration has.
Node read_yaml(const std::string& text, const std::string& source, Problems& problems);

}  // namespace ailab
