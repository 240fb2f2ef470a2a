#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_progress", AILAB_VERSION, "The progress bar")
