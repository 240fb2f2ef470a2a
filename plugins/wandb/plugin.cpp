#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_wandb", AILAB_VERSION, "A hook that logs to Weights & Biases")
