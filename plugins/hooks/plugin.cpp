#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_hooks", AILAB_VERSION,
             "Hooks: metrics, checkpoints, learning-rate schedule, logging, sample trace")
