#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_losses", AILAB_VERSION,
             "Losses: PyTorch's, focal, Dice, hard pixels, and weighted sums of several")
