#include "driver.hpp"

#include <dlfcn.h>

#include "ailab/error.hpp"

namespace ailab::cuda {
namespace {

// The four functions of the driver that are needed, as cuda.h has them.
using Init = int (*)(unsigned);
using DeviceCount = int (*)(int*);
using ErrorName = int (*)(int, const char**);

template <class Function>
Function find(void* library, const char* name) {
    return reinterpret_cast<Function>(dlsym(library, name));
}

Driver ask() {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return {0, "NVIDIA's driver is not installed (no libcuda.so.1)"};
    const auto init = find<Init>(library, "cuInit");
    const auto count_devices = find<DeviceCount>(library, "cuDeviceGetCount");
    const auto error_name = find<ErrorName>(library, "cuGetErrorName");
    if (!init || !count_devices) return {0, "libcuda.so.1 is not NVIDIA's driver"};
    Driver driver;
    int status = init(0);
    if (status == 0) status = count_devices(&driver.gpus);
    const char* name = nullptr;
    if (status != 0 && error_name) error_name(status, &name);
    if (status != 0)
        driver.reason = concat("the driver says ", name ? name : std::to_string(status).c_str());
    else if (driver.gpus == 0)
        driver.reason = "the driver sees no GPU (CUDA_VISIBLE_DEVICES?)";
    return driver;
}

}  // namespace

const Driver& driver() {
    static const Driver answer = ask();
    return answer;
}

}  // namespace ailab::cuda
