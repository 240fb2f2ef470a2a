#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_swanlab", AILAB_VERSION, "Logs to SwanLab, for `swanlab sync`")
