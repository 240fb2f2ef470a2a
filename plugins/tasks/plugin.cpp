#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_tasks", AILAB_VERSION, "What a model's outputs mean: classes, labels, numbers")
