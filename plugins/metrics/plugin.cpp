#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_metrics", AILAB_VERSION,
             "Metrics of classification, segmentation, regression, images and text")
