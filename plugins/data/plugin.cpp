#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_data", AILAB_VERSION, "Data sets in IDX files, and samplers")
