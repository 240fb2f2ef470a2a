#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_report", AILAB_VERSION,
             "What an evaluation found: predictions in a file, a page of charts and tables")
