#pragma once
// A module without `type`: what its author may have meant.
#include <string>

#include "ailab/error.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// `module` is a map without the key "type".
void report_missing_type(const std::string& kind, const Node& module, const std::string& name,
                         Problems& problems);

/// The same for the entry `hook` of `hooks`. Its key tells more than that of another module: most
/// hooks have the name of their type, and an override of a misspelt name makes a hook of its own.
void report_missing_type(const Member& hook, const Node& hooks, const std::string& name,
                         Problems& problems);

}  // namespace ailab
