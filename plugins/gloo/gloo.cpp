// The only file that sees gloo's headers. They are another release's than the gloo inside LibTorch,
// so nothing of gloo's own is made here: devices come from ProcessGroupGloo's static functions.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <atomic>
#include <cstdlib>

#include "address.hpp"
#include "ailab/ailab.hpp"
#include "sockets.hpp"

namespace ailab::gloo {
namespace {

using Gloo = c10d::ProcessGroupGloo;
using DevicePtr = std::shared_ptr<::gloo::transport::Device>;

DevicePtr make_device(const RankInfo& rank_info, const c10::intrusive_ptr<c10d::Store>& store) {
    // PyTorch's variable, for hosts with several networks.
    if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
        return Gloo::createDeviceForInterface(interface);
    // The loopback needs no name service and no network.
    if (rank_info.one_host()) return Gloo::createDeviceForHostname("127.0.0.1");
    const std::string address = own_address(*store, rank_info.rank);
    return address.empty() ? Gloo::createDefaultDevice() : Gloo::createDeviceForHostname(address);
}

}  // namespace

class GlooModule final : public Backend {
  public:
    Availability available(const RankInfo&, c10::DeviceType device) const override {
        if (device != c10::DeviceType::CPU)
            return {concat("gloo moves tensors of the CPU, and this run is on ",
                           c10::DeviceTypeName(device, true),
                           "; set dist.backend to auto or nccl")};
        return {"", 40};
    }

    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>& store,
                                             c10::Device) override {
        for (int attempts_left = 5; attempts_left > 0; --attempts_left) {
            // Another one over the same store must not meet the first one's keys.
            static std::atomic<int> count{0};
            auto own = c10::make_intrusive<c10d::PrefixStore>(concat("gloo/", count++), store);
            auto options = Gloo::Options::create();
            NewSockets sockets;
            options->devices.push_back(make_device(rank_info, store));
            backend_ = c10::make_intrusive<Gloo>(own, rank_info.rank, rank_info.world_size,
                                                 std::move(options));
            if (sockets.are_all_of_ranks(*own, rank_info.rank, rank_info.world_size)) {
                sockets.refuse_more();
                return backend_;
            }
            backend_.reset();
        }
        throw Error(
            "gloo: programs that are not of this run connect to its ports again and again; on one "
            "host set dist.backend to shm");
    }

    void shutdown() override { backend_.reset(); }

  private:
    c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace ailab::gloo

AILAB_PLUGIN("gloo", AILAB_VERSION, "Communication over TCP by gloo")
AILAB_REGISTER_AS(Backend, ailab::gloo::GlooModule, "gloo",
                  "TCP, over any network; needs no launcher")
