#include "ailab/ailab.hpp"

AILAB_PLUGIN("ailab_onnx", AILAB_VERSION, "Trained models as ONNX files, written and read")
