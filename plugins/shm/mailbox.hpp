#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

namespace ailab::shm {

/// A message from one rank to another, while it is under way.
struct Transfer {
    at::Tensor tensor;
    int peer = -1;  // -1: any
    int tag = 0;
    int64_t moved = 0;
    bool begun = false;
    bool done = false;
};

/// Messages between pairs of ranks: a ring of bytes for each ordered pair. Nothing moves by itself:
/// progress() copies what there is room for. Messages of one pair and tag arrive in order.
class Mailbox {
  public:
    /// The memory is zero when it is new; each rank sees all of it.
    Mailbox(char* memory, size_t ring_bytes, int rank, int size);

    /// Bytes for all pairs, with rings of `ring_bytes` (a multiple of 64) each.
    static size_t memory_bytes(size_t ring_bytes, int size);

    std::shared_ptr<Transfer> send(at::Tensor tensor, int peer, int tag);
    std::shared_ptr<Transfer> receive(at::Tensor tensor, int peer, int tag);
    /// Throws Error when a message does not fit the tensor that waits for it.
    void progress();
    bool busy() const { return outgoing_count_ > 0 || !awaited_.empty(); }

  private:
    struct Ring {
        alignas(64) std::atomic<uint64_t> written;
        alignas(64) std::atomic<uint64_t> read;
        alignas(64) char data[];
    };
    struct Envelope {
        int64_t tag;
        int64_t bytes;
    };
    struct Parcel {  // arrived before anybody asked for it
        int64_t tag;
        std::vector<char> bytes;
    };
    struct Incoming {
        std::shared_ptr<Transfer> into;
        Parcel parcel;
        bool to_parcel = false;
        int64_t expected = -1;
        int64_t moved = 0;
    };

    Ring& ring(int from, int to);
    int64_t put(Ring& ring, const void* data, int64_t bytes);
    int64_t take(Ring& ring, void* data, int64_t bytes);
    int64_t waiting(const Ring& ring) const;
    void push(int peer);
    void pull(int peer);
    bool open(int peer, Incoming& incoming);
    std::shared_ptr<Transfer> claim(int peer, int64_t tag);
    bool unpack(const std::shared_ptr<Transfer>& transfer);

    char* const memory_;
    const size_t ring_bytes_;
    const int rank_;
    const int size_;
    size_t outgoing_count_ = 0;
    std::vector<std::deque<std::shared_ptr<Transfer>>> outgoing_;
    std::vector<Incoming> incoming_;
    std::vector<std::list<Parcel>> parcels_;
    std::list<std::shared_ptr<Transfer>> awaited_;
};

}  // namespace ailab::shm
