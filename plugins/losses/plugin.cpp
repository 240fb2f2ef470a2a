#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_losses", AILAB_VERSION,
             "Losses: cross entropy, mean squared and absolute error")
