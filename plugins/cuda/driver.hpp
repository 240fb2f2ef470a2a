#pragma once
#include <string>

namespace ailab::cuda {

/// What NVIDIA's driver says, asked without CUDA's runtime and without LibTorch.
struct Driver {
    int gpus = 0;
    /// Why there are none: no driver, no device, or the driver's error.
    std::string reason;
};

/// Asked once.
const Driver& driver();

}  // namespace ailab::cuda
