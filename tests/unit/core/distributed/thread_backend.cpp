#include "thread_backend.hpp"

#include <ATen/ATen.h>

#include <thread>

namespace ailab::test {
namespace {

class DoneWork final : public c10d::Work {
  public:
    bool wait(std::chrono::milliseconds) override { return true; }
};

class FutureWork final : public c10d::Work {
  public:
    explicit FutureWork(std::shared_future<void> done) : done_(std::move(done)) {}
    bool wait(std::chrono::milliseconds) override {
        done_.get();
        return true;
    }

  private:
    std::shared_future<void> done_;
};

}  // namespace

ThreadBackend::ThreadBackend(std::shared_ptr<Meeting> meeting, int rank, int size,
                             ThreadBackendOptions options)
    : Backend(rank, size), meeting_(std::move(meeting)), options_(options) {}

ThreadBackend::~ThreadBackend() {
    if (last_.valid()) last_.wait();
}

void ThreadBackend::sum_in_place(at::Tensor tensor) {
    const at::NoGradGuard no_grad;
    tensor.copy_(meeting_->sum(getRank(), tensor));
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::allreduce(std::vector<at::Tensor>& tensors,
                                                        const c10d::AllreduceOptions& options) {
    TORCH_CHECK(tensors.size() == 1 && options.reduceOp == c10d::ReduceOp::SUM);
    ++calls_;
    if (on_call) on_call(tensors[0]);
    if (!options_.asynchronous) {
        sum_in_place(tensors[0]);
        return c10::make_intrusive<DoneWork>();
    }
    last_ = std::async(std::launch::async, [this, before = last_, tensor = tensors[0]] {
                if (before.valid()) before.wait();
                sum_in_place(tensor);
            }).share();
    return c10::make_intrusive<FutureWork>(last_);
}

at::Tensor SharingBackend::allocate_bucket(int64_t bytes) {
    if (full) return {};
    allocated.push_back(at::empty({bytes}, at::kByte));
    return allocated.back();
}

void run_ranks(int size, const std::function<void(int)>& body) {
    std::vector<std::future<void>> ranks;
    for (int rank = 0; rank < size; ++rank)
        ranks.push_back(std::async(std::launch::async, body, rank));
    for (std::future<void>& rank : ranks) rank.get();
}

}  // namespace ailab::test
