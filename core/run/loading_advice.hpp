#pragma once
#include <cstdint>
#include <string>

#include "data/loader_options.hpp"
#include "data/loading.hpp"

namespace ailab {

/// Where the time of some training iterations went on this rank.
struct LoadingShare {
    int64_t iterations = 0;
    double running = 0;  // seconds, waiting included
    double waiting = 0;  // seconds, for batches
    StageTimes stages;   // of the loader's threads

    /// Whether making batches is what limits the run.
    bool limits() const;
};

/// What limits the run and what to change, on one line: "the loader limits the run: it waits for
/// data 35 % of the time, and decode takes 62 % of its 2 threads' time; …".
std::string loading_advice(const LoadingShare& share, const LoaderOptions& options);

/// Logs the advice if the loader limits the run. What a few iterations tell is chance: nothing.
void tell_loading_advice(const LoadingShare& share, const LoaderOptions& options);

}  // namespace ailab
