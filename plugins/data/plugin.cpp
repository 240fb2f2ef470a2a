#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_data", AILAB_VERSION,
             "Data sets of images and of other data sets, and samplers")
