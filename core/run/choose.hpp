#pragma once
// Which device and which backend the run uses.
#include <memory>
#include <string>
#include <vector>

#include "ailab/backend.hpp"
#include "ailab/device.hpp"
#include "schema/run_config.hpp"

namespace ailab {

struct ChosenDevice {
    std::string name;
    std::shared_ptr<Device> device;
};

/// `runtime.device`, or for `auto` the best that is available. Throws ConfigError.
ChosenDevice choose_device(const RunConfig& config, const RankInfo& rank_info);

struct BackendCandidate {
    std::string name;
    std::shared_ptr<Backend> backend;
};

/// `dist.backend`, or for `auto` all that are available, best first. Throws ConfigError when the
/// one asked for cannot be used here, naming the line to change. Empty for one rank.
std::vector<BackendCandidate> choose_backends(const RunConfig& config, const RankInfo& rank_info,
                                              c10::DeviceType device);

/// A backend that can tell rank 0's address to the ranks of other hosts before they have met, or
/// null.
std::shared_ptr<Backend> choose_early_broadcast();

}  // namespace ailab
