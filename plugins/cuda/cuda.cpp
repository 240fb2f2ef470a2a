#include "ailab/backend.hpp"
#include "ailab/device.hpp"
#include "ailab/error.hpp"
#include "driver.hpp"
#include "runtime.hpp"

namespace ailab::cuda {

/// NVIDIA's GPUs. Everything but the question whether there are any goes to the runtime.
class CudaDevice final : public Device {
  public:
    c10::DeviceType type() const override { return c10::DeviceType::CUDA; }

    Availability available(const RankInfo&) const override {
        if (driver().gpus == 0)
            return {concat("cuda needs an NVIDIA GPU and there is none here: ", driver().reason,
                           "; set runtime.device to auto or cpu")};
        if (const std::string& reason = runtime().reason; !reason.empty()) return {reason};
        return {"", 100};
    }

    c10::Device select(const RankInfo& rank_info) override { return real().select(rank_info); }
    void synchronize() override { real().synchronize(); }
    int64_t peak_memory() const override { return real().peak_memory(); }
    bool pins_memory() const override { return true; }
    at::Tensor pin(const at::Tensor& tensor) override { return real().pin(tensor); }
    void seed(uint64_t seed) override { real().seed(seed); }
    at::Tensor rng_state() const override { return real().rng_state(); }
    void set_rng_state(const at::Tensor& state) override { real().set_rng_state(state); }

  private:
    Device& real() const {
        if (!real_) {
            if (const Availability here = available({}); !here.ok()) throw Error(here.reason);
            real_.reset(runtime().make_device());
        }
        return *real_;
    }
    mutable std::unique_ptr<Device> real_;
};

class NcclModule final : public Backend {
  public:
    Availability available(const RankInfo& rank_info, c10::DeviceType device) const override {
        if (driver().gpus == 0)
            return {
                "nccl needs an NVIDIA GPU and there is none here; set dist.backend to auto, "
                "shm, mpi or gloo"};
        if (device != c10::DeviceType::CUDA)
            return {concat("nccl moves tensors of GPUs, and this run is on ",
                           c10::DeviceTypeName(device, true),
                           "; set dist.backend to auto, shm, mpi or gloo")};
        if (rank_info.local_size > driver().gpus)
            return {concat("nccl needs a GPU a rank: this host has ", driver().gpus, " for ",
                           rank_info.local_size, " ranks; start fewer")};
        if (const std::string& reason = runtime().reason; !reason.empty()) return {reason};
        return {"", 100};
    }

    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>& store,
                                             c10::Device device) override {
        if (const Availability here = available(rank_info, device.type()); !here.ok())
            throw Error(here.reason);
        real_.reset(runtime().make_backend());
        return real_->create(rank_info, store, device);
    }
    void shutdown() override {
        if (real_) real_->shutdown();
    }
    void abort() noexcept override {
        if (real_) real_->abort();
    }

  private:
    std::unique_ptr<Backend> real_;
};

}  // namespace ailab::cuda

AILAB_PLUGIN("cuda", AILAB_VERSION, "NVIDIA GPUs, and communication between them by NCCL")
AILAB_REGISTER_AS(Device, ailab::cuda::CudaDevice, "cuda", "NVIDIA GPUs, one a rank")
AILAB_REGISTER_AS(Backend, ailab::cuda::NcclModule, "nccl", "NCCL: between GPUs, on any hosts")
