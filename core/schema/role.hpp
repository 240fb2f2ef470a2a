#pragma once
#include <string>

#include "ailab/module_spec.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// What the core writes at `type:` where it wants a module of this role: that of a plugin of the
/// user's, if one has it, else the built-in one; "" where there is none. Nothing is loaded.
std::string type_of_role(const std::string& kind, Role role);

/// Whether the module that a configuration calls `type` (also "plugin/Name") has the role.
bool has_role(const std::string& kind, const std::string& type, Role role);

/// `{type: …}` of type_of_role(). Throws Error where there is none.
Node node_of_role(const std::string& kind, Role role);

/// Why none was found.
std::string no_module_of_role(const std::string& kind, Role role);

}  // namespace ailab
