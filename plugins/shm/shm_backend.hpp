#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <vector>

#include "ailab/shared_buckets.hpp"
#include "collectives/blocking_backend.hpp"
#include "mailbox.hpp"
#include "team.hpp"

namespace ailab::shm {

/// Where things lie in the segment.
struct Layout {
    explicit Layout(int size);
    size_t slot_bytes;  // of one rank, a multiple of 4096
    size_t ring_bytes;
    size_t mailbox;  // offsets
    size_t slots;
    size_t total;
};

/// Collectives of the ranks of one host through shared memory.
///
/// A tensor goes through *slots*, one a rank, in chunks that stay in the cache: each rank writes
/// its slot, all sync, and each reads what it needs. There are two sets of slots in turn, so that
/// one sync a chunk is enough: who has passed the sync of chunk c knows that everyone has read
/// chunk c - 1. A tensor that lies in a bucket is reduced where it is: sync, each rank reduces its
/// part of it over all ranks' buckets and writes it to all of them, sync. The sum is ((rank 0 +
/// rank 1) + rank 2) + … everywhere, so its bits are equal on all ranks.
class ShmBackend final : public collectives::BlockingBackend, public SharedBuckets {
  public:
    /// Collective. Throws Error on all ranks alike when one of them cannot have the memory.
    static c10::intrusive_ptr<ShmBackend> create(const c10::intrusive_ptr<c10d::Store>& store,
                                                 int rank, int size);
    ShmBackend(SharedSegment segment, const Layout& layout, int rank, int size);

    at::Tensor allocate_bucket(int64_t bytes) override;
    void setTimeout(std::chrono::milliseconds timeout) override;
    void abort() override { team_.abort(); }

  private:
    class Message;
    struct Bucket {
        SharedSegment segment;
        size_t stride;
        char* part(int rank) const { return segment.data() + size_t(rank) * stride; }
    };

    void do_allreduce(void* data, int64_t count, c10::ScalarType type,
                      collectives::Reduction op) override;
    void do_reduce(const void* in, void* out, int64_t count, c10::ScalarType type,
                   collectives::Reduction op, int root) override;
    void do_broadcast(void* data, int64_t bytes, int root) override;
    void do_allgather(const void* in, int64_t bytes, Parts outs) override;
    void do_gather(const void* in, int64_t bytes, Parts outs, int root) override;
    void do_scatter(ConstParts ins, void* out, int64_t bytes, int root) override;
    void do_reduce_scatter(ConstParts ins, void* out, int64_t count, c10::ScalarType type,
                           collectives::Reduction op) override;
    void do_alltoall(ConstParts ins, std::span<const int64_t> in_bytes, Parts outs,
                     std::span<const int64_t> out_bytes) override;
    void do_barrier() override;
    c10::intrusive_ptr<collectives::PendingWork> start_send(const at::Tensor& tensor, int rank,
                                                            int tag) override;
    c10::intrusive_ptr<collectives::PendingWork> start_recv(const at::Tensor& tensor, int rank,
                                                            int tag) override;

    char* slot(int rank);
    std::vector<const void*> slots(int64_t offset);
    void next_chunk() { chunk_ ^= 1; }
    void begin(Call::Kind kind, int64_t count, int type = -1, int op = -1, int root = -1);
    void gather_chunks(const void* in, int64_t bytes, Parts outs);
    void reduce_staged(const void* in, void* out, int64_t count, c10::ScalarType type,
                       collectives::Reduction op);
    void reduce_in_place(const Bucket& bucket, int64_t offset, int64_t count, c10::ScalarType type,
                         collectives::Reduction op);
    bool reserve_bucket(std::unique_ptr<SharedSegment>& segment, size_t stride);
    void watch_messages();

    const Layout layout_;
    Team team_;
    Mailbox mailbox_;
    int chunk_ = 0;
    /// Alive as long as a tensor or this uses them.
    std::vector<std::shared_ptr<Bucket>> buckets_;
};

}  // namespace ailab::shm
