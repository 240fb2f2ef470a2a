#pragma once
#include "ailab/node.hpp"

namespace ailab {

/// Gives the scalars of `resolved` the `written` text of `source` where that holds ${…} and still
/// stands for the same value; any other string that holds ${ is written so that it reads back.
void keep_variables(Node& resolved, const Node& source);

}  // namespace ailab
