#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_transforms", AILAB_VERSION,
             "Transforms of images: torchvision's, under its names")
