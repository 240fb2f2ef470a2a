#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_image", AILAB_VERSION, "Images of JPEG, PNG, WebP and BMP files")
