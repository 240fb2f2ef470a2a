#pragma once
// Ranks as threads of one process, and a c10d backend between them.
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "ailab/shared_buckets.hpp"
#include "meeting.hpp"

namespace ailab::test {

struct ThreadBackendOptions {
    /// Reduces on a thread of its own, in the order of the calls.
    bool asynchronous = false;
};

/// Knows allreduce (SUM) alone.
class ThreadBackend : public c10d::Backend {
  public:
    ThreadBackend(std::shared_ptr<Meeting> meeting, int rank, int size,
                  ThreadBackendOptions options = {});
    ~ThreadBackend() override;
    const std::string getBackendName() const override { return "threads"; }
    c10::intrusive_ptr<c10d::Work> allreduce(
        std::vector<at::Tensor>& tensors,
        const c10d::AllreduceOptions& options = c10d::AllreduceOptions()) override;

    int calls() const { return calls_; }
    /// Called with each tensor that is to be reduced.
    std::function<void(const at::Tensor&)> on_call;

  private:
    void sum_in_place(at::Tensor tensor);

    const std::shared_ptr<Meeting> meeting_;
    const ThreadBackendOptions options_;
    std::shared_future<void> last_;
    int calls_ = 0;
};

/// Offers memory for buckets, as the shm backend does.
class SharingBackend final : public ThreadBackend, public SharedBuckets {
  public:
    using ThreadBackend::ThreadBackend;
    at::Tensor allocate_bucket(int64_t bytes) override;
    std::vector<at::Tensor> allocated;
    bool full = false;
};

/// Runs `body(rank)` on `size` threads at once. Rethrows the first exception.
void run_ranks(int size, const std::function<void(int)>& body);

}  // namespace ailab::test
