#include "store_backend.hpp"

#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::test {
namespace {

class DoneWork final : public c10d::Work {
  public:
    bool wait(std::chrono::milliseconds) override { return true; }
};

class StoreCommunicator final : public c10d::Backend {
  public:
    StoreCommunicator(int rank, int size, c10::intrusive_ptr<c10d::Store> store)
        : Backend(rank, size), store_(std::move(store)) {}
    const std::string getBackendName() const override { return "store"; }

    c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors,
                                             const c10d::AllreduceOptions& options) override {
        const std::string round = next();
        put(round, tensors[0]);
        at::Tensor all = get(round, 0, tensors[0]);
        for (int rank = 1; rank < getSize(); ++rank) {
            const at::Tensor other = get(round, rank, tensors[0]);
            if (options.reduceOp == c10d::ReduceOp::SUM) all = all + other;
            if (options.reduceOp == c10d::ReduceOp::MAX) all = at::maximum(all, other);
            if (options.reduceOp == c10d::ReduceOp::MIN) all = at::minimum(all, other);
        }
        tensors[0].copy_(all);
        return c10::make_intrusive<DoneWork>();
    }

    c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors,
                                             const c10d::BroadcastOptions& options) override {
        const std::string round = next();
        if (getRank() == options.rootRank) put(round, tensors[0]);
        tensors[0].copy_(get(round, int(options.rootRank), tensors[0]));
        return c10::make_intrusive<DoneWork>();
    }

    c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions&) override {
        std::vector<at::Tensor> none{at::zeros({1})};
        return allreduce(none, {});
    }

  private:
    std::string next() { return concat("test/", rounds_++, "/"); }
    void put(const std::string& round, const at::Tensor& tensor) {
        TORCH_CHECK(tensor.is_contiguous(), "only contiguous tensors are sent");
        const auto* data = static_cast<const uint8_t*>(tensor.const_data_ptr());
        store_->set(round + std::to_string(getRank()),
                    std::vector<uint8_t>(data, data + tensor.nbytes()));
    }
    at::Tensor get(const std::string& round, int rank, const at::Tensor& like) {
        const std::vector<uint8_t> bytes = store_->get(round + std::to_string(rank));
        TORCH_CHECK(bytes.size() == like.nbytes(), "rank ", rank, " sent ", bytes.size(),
                    " bytes for ", like.nbytes());
        at::Tensor tensor = at::empty_like(like);
        std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
        return tensor;
    }

    const c10::intrusive_ptr<c10d::Store> store_;
    int rounds_ = 0;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> StoreBackend::create(const RankInfo& rank_info,
                                                       const c10::intrusive_ptr<c10d::Store>& store,
                                                       c10::Device) {
    return c10::make_intrusive<StoreCommunicator>(rank_info.rank, rank_info.world_size, store);
}

void StoreBackend::shutdown() {
    std::printf("shut down\n");
    std::fflush(stdout);
}

}  // namespace ailab::test
