#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_optim", AILAB_VERSION, "Optimizers by fused kernels")
