#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "ailab/node.hpp"
#include "ailab/support/page.hpp"

namespace ailab {

/// What a run has left in its folder until now: its configuration, its environment and the lines of
/// its LoggerHook.
struct AILAB_API RunRecord {
    std::string folder;
    /// "running", "done", "stopped: …", "failed: …", or "broken off" when it ended without a word.
    std::string state;
    std::string config;  // YAML
    Node environment = Node::map();
    std::vector<Node> lines;         // of metrics.jsonl: training and evaluations
    std::optional<Node> summary;     // its last line, when the run has ended
    std::optional<double> duration;  // seconds from its begin to its last line

    /// The values that lines of a mode (train, val, test) have, in the order of their appearance,
    /// without the counters (epoch, iter, step).
    std::vector<std::string> names(const std::string& mode) const;
    /// One of them over the optimizer steps.
    Curve curve(const std::string& mode, const std::string& name) const;
};

/// Reads a run's folder; lines that are cut off are left out. Throws Error when it is none.
AILAB_API RunRecord read_run(const std::string& folder);

}  // namespace ailab
