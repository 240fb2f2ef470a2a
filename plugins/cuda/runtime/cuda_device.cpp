#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <mutex>

#include "ailab/ailab.hpp"
#include "runtime.hpp"

namespace ailab::cuda {
namespace {

at::Tensor state_of(at::Generator generator) {
    const std::lock_guard<std::mutex> guard(generator.mutex());
    return generator.get_state();
}

void set_state(at::Generator generator, const at::Tensor& state) {
    const std::lock_guard<std::mutex> guard(generator.mutex());
    generator.set_state(state);
}

class GpuOfThisRank final : public Device {
  public:
    c10::DeviceType type() const override { return c10::DeviceType::CUDA; }
    Availability available(const RankInfo&) const override { return {"", 100}; }

    c10::Device select(const RankInfo& rank_info) override {
        const int gpus = c10::cuda::device_count();
        if (rank_info.local_rank >= gpus)
            throw Error(concat("rank ", rank_info.rank, " is the ", rank_info.local_rank + 1,
                               ". rank of this host, which has ", gpus,
                               gpus == 1 ? " GPU" : " GPUs", "; start at most ", gpus,
                               " ranks a host, or set runtime.device to cpu"));
        index_ = c10::DeviceIndex(rank_info.local_rank);
        c10::cuda::set_device(index_);
        at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
        return {c10::DeviceType::CUDA, index_};
    }

    void synchronize() override { c10::cuda::device_synchronize(); }

    int64_t peak_memory() const override {
        const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(index_);
        // The first is the sum over the small and the large pool.
        return stats.allocated_bytes[0].peak;
    }

    bool pins_memory() const override { return true; }
    at::Tensor pin(const at::Tensor& tensor) override {
        return tensor.is_pinned() ? tensor : tensor.pin_memory();
    }

    void seed(uint64_t seed) override {
        for (at::Generator generator : {cpu(), gpu()}) {
            const std::lock_guard<std::mutex> guard(generator.mutex());
            generator.set_current_seed(seed);
        }
    }

    // The CPU's generator is in use beside the GPU's: its state first, then the GPU's.
    at::Tensor rng_state() const override { return at::cat({state_of(cpu()), state_of(gpu())}); }
    void set_rng_state(const at::Tensor& state) override {
        const int64_t split = state_of(cpu()).numel();
        const int64_t expected = split + state_of(gpu()).numel();
        if (state.numel() != expected)
            throw Error(concat("the state of the random generators has ", state.numel(),
                               " bytes, this device's has ", expected,
                               ": it was saved on another kind of device"));
        set_state(cpu(), state.slice(0, 0, split).clone());
        set_state(gpu(), state.slice(0, split).clone());
    }

  private:
    static at::Generator cpu() { return at::detail::getDefaultCPUGenerator(); }
    at::Generator gpu() const { return at::cuda::detail::getDefaultCUDAGenerator(index_); }

    c10::DeviceIndex index_ = 0;
};

}  // namespace
}  // namespace ailab::cuda

extern "C" __attribute__((visibility("default"))) ailab::Device* ailab_make_cuda_device() {
    return new ailab::cuda::GpuOfThisRank;
}
static_assert(std::is_same_v<decltype(&ailab_make_cuda_device), ailab::cuda::MakeDevice>);
