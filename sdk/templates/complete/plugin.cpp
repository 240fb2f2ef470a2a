// Once a plugin, in one source.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("complete", "1.0", "A module of each usual kind, to copy from")
