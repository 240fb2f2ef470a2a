#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"
#include "ailab/module_spec.hpp"
#include "ailab/transform.hpp"

namespace ailab {

/// The transforms of a list as a configuration has it; `name` is what messages call one. Throws
/// ConfigError with everything that is wrong.
std::vector<std::shared_ptr<const Transform>> make_transforms(const Node& list,
                                                              const std::string& name);

/// The transforms that `dataset`, made from `config`, takes where none are listed: as a
/// configuration has them, with every option.
Node transforms_by_default(const Dataset& dataset, const ModuleConfig& config);

}  // namespace ailab
