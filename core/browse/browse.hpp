#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "ailab/export.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// One sample as a training epoch sees it.
struct SampleNumber {
    int64_t epoch = 0;
    int64_t index = 0;
};

/// What `ailab-run browse` is to show.
struct BrowseRequest {
    std::string phase = "train";
    int64_t count = 16;
    std::string output = "browse.png";
    /// In place of the first `count` samples of the first epoch.
    std::optional<SampleNumber> sample;
};

/// Writes a page of images that the model of a configuration is fed, each as it is read and as it
/// is after its transforms, with labels; one sample also exactly, as `<output>.safetensors`. Prints
/// what it wrote. Builds the data alone, on this process alone. Throws Error and ConfigError.
AILAB_API void browse(const ConfigInput& input, const BrowseRequest& request);

}  // namespace ailab
