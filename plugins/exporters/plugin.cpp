#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_exporters", AILAB_VERSION,
             "Trained models in files: weights, graphs, artifacts")
