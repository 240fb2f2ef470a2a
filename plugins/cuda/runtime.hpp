#pragma once
#include <memory>
#include <string>

#include "ailab/backend.hpp"
#include "ailab/device.hpp"

namespace ailab::cuda {

/// What libailab_cuda_runtime.so makes: LibTorch's CUDA part behind the SDK's classes.
using MakeDevice = Device* (*)();
using MakeBackend = Backend* (*)();
inline constexpr const char* make_device_symbol = "ailab_make_cuda_device";
inline constexpr const char* make_backend_symbol = "ailab_make_nccl_backend";

struct Runtime {
    MakeDevice make_device = nullptr;
    MakeBackend make_backend = nullptr;
    /// Why it cannot be loaded, and what to do; empty when it is.
    std::string reason;
};

/// Loads it, once. Ask only where there is a GPU: it brings in all of CUDA.
const Runtime& runtime();

}  // namespace ailab::cuda
