#include <ATen/CPUGeneratorImpl.h>
#include <sys/resource.h>

#include <fstream>
#include <mutex>
#include <sstream>

#include "ailab/ailab.hpp"

namespace ailab {
namespace {

int64_t largest_resident_set() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return int64_t(usage.ru_maxrss) * 1024;
}

/// VmHWM of /proc/self/status, in bytes; 0 when there is none.
int64_t peak_resident_set() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("VmHWM:")) continue;
        int64_t kilobytes = 0;
        std::istringstream(line.substr(6)) >> kilobytes;
        return kilobytes * 1024;
    }
    return 0;
}

}  // namespace

class CpuDevice final : public Device {
  public:
    c10::DeviceType type() const override { return c10::DeviceType::CPU; }
    Availability available(const RankInfo&) const override { return {"", 10}; }
    c10::Device select(const RankInfo&) override { return c10::kCPU; }

    int64_t peak_memory() const override {
        // getrusage() counts from before exec() too, so it tells of this program when it grows. It
        // takes a microsecond, /proc fifty.
        const int64_t largest = largest_resident_set();
        if (largest > at_start_) return largest;
        const int64_t peak = peak_resident_set();
        return peak > 0 ? peak : largest;
    }

    void seed(uint64_t seed) override {
        auto generator = at::detail::getDefaultCPUGenerator();
        const std::lock_guard<std::mutex> guard(generator.mutex());
        generator.set_current_seed(seed);
    }
    at::Tensor rng_state() const override {
        auto generator = at::detail::getDefaultCPUGenerator();
        const std::lock_guard<std::mutex> guard(generator.mutex());
        return generator.get_state();
    }
    void set_rng_state(const at::Tensor& state) override {
        auto generator = at::detail::getDefaultCPUGenerator();
        const std::lock_guard<std::mutex> guard(generator.mutex());
        generator.set_state(state);
    }

  private:
    const int64_t at_start_ = largest_resident_set();
};

}  // namespace ailab

AILAB_PLUGIN("cpu", AILAB_VERSION, "The CPU as a device")
AILAB_REGISTER_AS(Device, ailab::CpuDevice, "cpu", "The processor's cores and main memory")
