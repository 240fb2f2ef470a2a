#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_tensorboard", AILAB_VERSION, "Event files for TensorBoard")
