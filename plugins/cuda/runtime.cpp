#include "runtime.hpp"

#include <dlfcn.h>

#include <filesystem>

#include "ailab/error.hpp"

namespace ailab::cuda {
namespace {

/// Beside the plugin.
std::filesystem::path runtime_path() {
    Dl_info self;
    if (dladdr(reinterpret_cast<void*>(&runtime_path), &self) == 0 || !self.dli_fname) return {};
    return std::filesystem::path(self.dli_fname).parent_path() / "libailab_cuda_runtime.so";
}

Runtime load() {
    const std::filesystem::path path = runtime_path();
    if (!std::filesystem::exists(path))
        return {.reason = concat("this ailab was built without the CUDA toolkit (there is no ",
                                 path.string(),
                                 "); install the toolkit and NCCL, and build ailab again")};
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return {.reason = concat("LibTorch's CUDA part cannot be loaded: ", dlerror(),
                                 "; install that library, or add its folder to LD_LIBRARY_PATH")};
    Runtime runtime;
    runtime.make_device = reinterpret_cast<MakeDevice>(dlsym(library, make_device_symbol));
    runtime.make_backend = reinterpret_cast<MakeBackend>(dlsym(library, make_backend_symbol));
    if (!runtime.make_device || !runtime.make_backend)
        runtime.reason = concat(path.string(), " is another ailab's; build ailab again");
    return runtime;
}

}  // namespace

const Runtime& runtime() {
    static const Runtime loaded = load();
    return loaded;
}

}  // namespace ailab::cuda
