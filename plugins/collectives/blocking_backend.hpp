#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "collectives/reduce.hpp"
#include "collectives/work.hpp"

namespace ailab::collectives {

/// All of c10d's collectives over ten functions on plain memory, done in the calling thread: a call
/// returns when the result is there, so every Work is complete. Checks tensors, and copies those
/// that are not contiguous. Calls may come from any thread, one at a time; all ranks make the same
/// calls in the same order.
class BlockingBackend : public c10d::Backend {
  public:
    using Work = c10::intrusive_ptr<c10d::Work>;
    using Tensors = std::vector<at::Tensor>;

    BlockingBackend(std::string name, int rank, int size);

    const std::string getBackendName() const override { return name_; }
    c10::intrusive_ptr<Options> getBackendOptions() override;
    void setTimeout(std::chrono::milliseconds timeout) override { timeout_ = timeout; }
    void setSequenceNumberForGroup() override {}
    uint64_t getSequenceNumberForGroup() override { return calls_; }

    Work broadcast(Tensors& tensors, const c10d::BroadcastOptions& opts) override;
    Work allreduce(Tensors& tensors, const c10d::AllreduceOptions& opts) override;
    Work allreduce_coalesced(Tensors& tensors,
                             const c10d::AllreduceCoalescedOptions& opts) override;
    Work reduce(Tensors& tensors, const c10d::ReduceOptions& opts) override;
    Work allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                   const c10d::AllgatherOptions& opts) override;
    Work _allgather_base(at::Tensor& output, at::Tensor& input,
                         const c10d::AllgatherOptions& opts) override;
    Work allgather_coalesced(std::vector<Tensors>& outputs, Tensors& inputs,
                             const c10d::AllgatherOptions& opts) override;
    Work allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                         const c10d::AllgatherOptions& opts) override;
    Work gather(std::vector<Tensors>& outputs, Tensors& inputs,
                const c10d::GatherOptions& opts) override;
    Work scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                 const c10d::ScatterOptions& opts) override;
    Work reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                        const c10d::ReduceScatterOptions& opts) override;
    Work _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                              const c10d::ReduceScatterOptions& opts) override;
    Work reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                         const c10d::ReduceScatterOptions& opts) override;
    Work alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                       std::vector<int64_t>& input_splits,
                       const c10d::AllToAllOptions& opts) override;
    Work alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& opts) override;
    Work barrier(const c10d::BarrierOptions& opts) override;
    void monitoredBarrier(const c10d::BarrierOptions& opts, bool wait_all_ranks) override;
    Work send(Tensors& tensors, int rank, int tag) override;
    Work recv(Tensors& tensors, int rank, int tag) override;
    Work recvAnysource(Tensors& tensors, int tag) override;

  protected:
    /// Every rank's part of a gather, or what a rank gives to each rank: all of the same size, or
    /// with a size of its own each.
    using Parts = std::span<void* const>;
    using ConstParts = std::span<const void* const>;

    virtual void do_allreduce(void* data, int64_t count, c10::ScalarType type, Reduction op) = 0;
    /// `out` is written on the root alone.
    virtual void do_reduce(const void* in, void* out, int64_t count, c10::ScalarType type,
                           Reduction op, int root) = 0;
    virtual void do_broadcast(void* data, int64_t bytes, int root) = 0;
    virtual void do_allgather(const void* in, int64_t bytes, Parts outs) = 0;
    /// `outs` is empty but on the root.
    virtual void do_gather(const void* in, int64_t bytes, Parts outs, int root) = 0;
    /// `ins` is empty but on the root.
    virtual void do_scatter(ConstParts ins, void* out, int64_t bytes, int root) = 0;
    virtual void do_reduce_scatter(ConstParts ins, void* out, int64_t count, c10::ScalarType type,
                                   Reduction op) = 0;
    virtual void do_alltoall(ConstParts ins, std::span<const int64_t> in_bytes, Parts outs,
                             std::span<const int64_t> out_bytes) = 0;
    virtual void do_barrier() = 0;
    virtual c10::intrusive_ptr<PendingWork> start_send(const at::Tensor& tensor, int rank,
                                                       int tag) = 0;
    /// rank -1: from whoever sends first.
    virtual c10::intrusive_ptr<PendingWork> start_recv(const at::Tensor& tensor, int rank,
                                                       int tag) = 0;

    std::chrono::milliseconds timeout() const { return timeout_; }
    /// Held while a collective runs; PendingWork takes it to move on.
    std::mutex& lock() { return lock_; }

  private:
    Work done(c10d::OpType type, Tensors outputs);
    void require_one(size_t count, const char* call) const;
    void require_root(int64_t root, const char* call) const;
    void gather_all(at::Tensor& output, at::Tensor& input, const char* call);
    void scatter_sum(at::Tensor& output, at::Tensor& input, const c10d::ReduceOp& op,
                     const char* call);

    const std::string name_;
    std::chrono::milliseconds timeout_ = kBackendDefaultTimeout;
    std::mutex lock_;
    uint64_t calls_ = 0;
};

}  // namespace ailab::collectives
