#pragma once
// The configuration in a checkpoint's manifest.
#include <string>

#include "ailab/node.hpp"

namespace ailab {

/// Adds it to the facts: as YAML, in which ${…} stays as it was written, and beside it what these
/// stood for, so that a later run can tell what has changed. Texts from the environment may be
/// secrets: of those that are no absolute paths a checksum is kept.
void save_config(const Node& resolved, Node& facts);

/// The configuration of a checkpoint with the values of that time, to be compared with `now`. Where
/// a checksum is kept, or a checkpoint of format 1 keeps nothing, the value is that of `now` if it
/// is, or was written, the same. Null when there is none. Throws Error. `file` is for messages.
Node read_saved_config(const Node& facts, const std::string& file, const Node& now);

}  // namespace ailab
