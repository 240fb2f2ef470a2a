#pragma once
#include <functional>

#include "ailab/export.hpp"

namespace ailab {

/// Where mpirun, torchrun or Slurm started this process: ends it when that launcher is gone
/// (killed, say), at whatever point it is, so that no rank trains on alone. A shell or a wrapper
/// may stand in between. A process that was started by hand, with such variables or without, is not
/// watched: it may outlive its shell. To be called first of all.
AILAB_API void watch_launcher();

namespace dist {

inline constexpr const char* launcher_is_gone = "the launcher that started this rank is gone";

/// How the process ends when the launcher is gone, on a thread of its own; until this is called by
/// a line and exit status 1.
void when_launcher_ends(std::function<void()> end);

}  // namespace dist
}  // namespace ailab
