#include "ailab/ailab.hpp"

AILAB_PLUGIN(
    "ailab_hooks", AILAB_VERSION,
    "Hooks: metrics, checkpoints, learning-rate schedule, early stop, average of the weights, "
    "guard against NaN, logging, sample trace")
