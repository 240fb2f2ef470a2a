#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_csv", AILAB_VERSION, "A run's scalars as tables")
