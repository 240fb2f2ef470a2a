#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_metrics", AILAB_VERSION, "Metrics: accuracy")
