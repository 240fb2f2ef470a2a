#pragma once
// From the configuration's `data` to the loader of each phase.
#include <optional>
#include <string>
#include <vector>

#include "modules.hpp"

namespace ailab {

inline constexpr int64_t default_batch_size = 32;

/// What the configuration says of one phase's data. Refers into the configuration.
struct PhaseConfig {
    Phase phase;
    const ModuleSpec<Dataset>& dataset;
    const DataloaderConfig& loader;
};

/// The phases that the workflow names.
std::vector<PhaseConfig> phases_of(const RunConfig& config);

/// Makes the dataset and its loader. `channels_last`: of batches of images. Lines for the log go to
/// `notes`. `model_fields`: see LoaderOptions. Throws ConfigError.
PhaseData make_phase_data(const PhaseConfig& config, const BuildInput& input, bool channels_last,
                          std::vector<std::string>& notes,
                          std::optional<std::vector<std::string>> model_fields = {});

/// The resolved configuration, in which the data of each phase list the transforms that they take
/// by default, where the user lists none.
Node with_default_transforms(const RunConfig& config, const std::map<Phase, PhaseData>& data);

}  // namespace ailab
