#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <atomic>
#include <cstdlib>

#include "ailab/ailab.hpp"
#include "runtime.hpp"

namespace ailab::cuda {
namespace {

class Nccl final : public Backend {
  public:
    Availability available(const RankInfo&, c10::DeviceType) const override { return {"", 100}; }

    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>& store,
                                             c10::Device device) override {
        c10::cuda::set_device(device.index());
        // Where NCCL listens while its ranks find each other, and for what goes neither over NVLink
        // nor through shared memory. Over hosts the variable is the user's.
        if (rank_info.one_host()) setenv("NCCL_SOCKET_IFNAME", "lo", /*overwrite=*/0);
        static std::atomic<int> count{0};
        auto own = c10::make_intrusive<c10d::PrefixStore>(concat("nccl/", count++), store);
        group_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(std::move(own), rank_info.rank,
                                                             rank_info.world_size);
        // So that a barrier runs on this rank's GPU and does not guess one from the rank.
        group_->setBoundDeviceId(device);
        group_->eagerConnectSingleDevice(device);
        return group_;
    }

    // Before static destruction: NCCL's teardown there hangs.
    void shutdown() override {
        if (group_) group_->shutdown();
        group_.reset();
    }
    // abort() stays as it is: aborting a communicator waits, and the job's monitor ends the others.

  private:
    c10::intrusive_ptr<c10d::ProcessGroupNCCL> group_;
};

}  // namespace
}  // namespace ailab::cuda

extern "C" __attribute__((visibility("default"))) ailab::Backend* ailab_make_nccl_backend() {
    return new ailab::cuda::Nccl;
}
static_assert(std::is_same_v<decltype(&ailab_make_nccl_backend), ailab::cuda::MakeBackend>);
