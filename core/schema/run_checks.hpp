#pragma once
#include "run_schema.hpp"

namespace ailab {

/// Rules over several sections. `tree` is what was read: a key that is there and wrong is not
/// missing.
void check_run(const RunSchema& schema, const Node& tree, Problems& problems);

/// Whether the dotted path is there and not null.
bool is_given(const Node& tree, const std::string& dotted_path);

}  // namespace ailab
