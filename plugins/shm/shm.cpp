#include <unistd.h>

#include "ailab/ailab.hpp"
#include "shm_backend.hpp"

namespace ailab::shm {

/// The ranks of one host without GPUs.
class ShmModule final : public Backend {
  public:
    Availability available(const RankInfo& rank_info, c10::DeviceType device) const override {
        if (device != c10::DeviceType::CPU)
            return {concat("shm moves tensors of the CPU, and this run is on ",
                           c10::DeviceTypeName(device, true),
                           "; set dist.backend to auto or nccl")};
        if (!rank_info.one_host())
            return {concat("shm joins the ranks of one host, and of the ", rank_info.world_size,
                           " ranks only ", rank_info.local_size,
                           " are on this one; set dist.backend to auto, mpi or gloo")};
        const auto needed = static_cast<long long>(Layout(rank_info.world_size).total);
        const long long free = free_shared_memory();
        if (free < needed)
            return {concat("shm needs ", (needed >> 20) + 1, " MB in /dev/shm, which has ",
                           std::max(free, 0LL) >> 20,
                           " MB free; give the container more (docker run --shm-size=1g), or set "
                           "dist.backend to mpi or gloo")};
        return {"", 80};
    }

    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>& store,
                                             c10::Device) override {
        backend_ = ShmBackend::create(store, rank_info.rank, rank_info.world_size);
        return backend_;
    }

    void abort() noexcept override {
        if (backend_) backend_->abort();
    }

  private:
    c10::intrusive_ptr<ShmBackend> backend_;
};

}  // namespace ailab::shm

AILAB_PLUGIN("shm", AILAB_VERSION, "Communication of the ranks of one host through shared memory")
AILAB_REGISTER_AS(Backend, ailab::shm::ShmModule, "shm",
                  "Shared memory: for the ranks of one host without GPUs")
