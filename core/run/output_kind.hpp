#pragma once
#include "ailab/output_kind.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// What the first output of the configuration's model stands for, as its loss tells; nothing where
/// that is none that can, or is fed with another output. `loss` may be null.
std::optional<OutputKind> output_kind(const Loss* loss, const RunConfig& config,
                                      const Model& model);

}  // namespace ailab
