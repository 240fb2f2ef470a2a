#pragma once
#include <string>

#include "modules.hpp"

namespace ailab {

/// What the log says before the first iteration.
struct StartReport {
    const RunConfig& config;
    const Job& job;
    const ThreadPlan& threads;
    const Modules& modules;
    const std::string& device;
    const std::string& run_dir;
    /// Training samples a step takes over all ranks; 0 without training.
    int64_t batch = 0;
};

/// Where and how the run works, and a warning for each setting that the data or the length of the
/// run leave without its effect. On every rank; the log shows the lines of rank 0.
void log_start(const StartReport& report);

}  // namespace ailab
