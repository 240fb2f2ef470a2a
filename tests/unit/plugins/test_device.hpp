#pragma once
#include <cstdlib>

#include "make_module.hpp"

namespace ailab::test {

/// Where the reference's numbers are computed again: the device that AILAB_TEST_DEVICE names, else
/// the CPU.
inline c10::Device test_device() {
    static const c10::Device device = [] {
        const char* name = std::getenv("AILAB_TEST_DEVICE");
        if (!name) return c10::Device(c10::kCPU);
        static const auto module = make<Device>(concat("{\"type\": \"", name, "\"}"));
        return module->select({});
    }();
    return device;
}

}  // namespace ailab::test
