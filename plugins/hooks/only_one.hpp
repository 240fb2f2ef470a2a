#pragma once
#include <string>

#include "ailab/ailab.hpp"

namespace ailab {

/// For before_run() of a hook that sets something of the run alone ("the learning rate"), where a
/// second of its type would overrule the first one, or undo what it did in the wrong order: throws
/// ConfigError, to which the core adds the place. `instead` says what to do.
void refuse_second(const Run& run, const std::string& type, const std::string& what,
                   const std::string& instead = "keep one of them");

}  // namespace ailab
