#pragma once
// The averages of the weights that a hook (EMAHook) keeps: where a checkpoint has some, it was
// evaluated with them, and they stand for the trained model.
#include <optional>
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "weights_file.hpp"

namespace ailab {

struct Averages {
    std::string hook;  // "hook.ema"
    NamedTensors tensors;
};

/// Those of a checkpoint's folder, if it has any. Throws Error where it says so and has none.
AILAB_API std::optional<Averages> read_averages(const std::string& folder);

/// Puts them in the place of the same checkpoint's weights: of the same names, and of those that
/// are the same tensor (tied weights). What else the hook keeps is left. Returns how many of
/// `weights` are averages then; throws Error if none is.
AILAB_API size_t put_averages(const Averages& averages, WeightsFile& weights);

}  // namespace ailab
