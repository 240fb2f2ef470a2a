#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_schedules", AILAB_VERSION, "Learning-rate schedules, with PyTorch's values")
