#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_vision", AILAB_VERSION,
             "Image classifiers: torchvision's by its names, MLP and LeNet-5 for starters")
