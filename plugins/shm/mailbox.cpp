#include "mailbox.hpp"

#include <algorithm>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::shm {
namespace {

void check_size(const Transfer& transfer, int peer, int64_t bytes) {
    if (int64_t(transfer.tensor.nbytes()) != bytes)
        throw Error(concat("shm recv: rank ", peer, " sent ", bytes, " bytes (tag ", transfer.tag,
                           "), the tensor to receive them holds ", transfer.tensor.nbytes()));
}

}  // namespace

Mailbox::Mailbox(char* memory, size_t ring_bytes, int rank, int size)
    : memory_(memory),
      ring_bytes_(ring_bytes),
      rank_(rank),
      size_(size),
      outgoing_(size_t(size)),
      incoming_(size_t(size)),
      parcels_(size_t(size)) {}

size_t Mailbox::memory_bytes(size_t ring_bytes, int size) {
    return size_t(size) * size_t(size) * (sizeof(Ring) + ring_bytes);
}

Mailbox::Ring& Mailbox::ring(int from, int to) {
    const size_t index = size_t(from) * size_t(size_) + size_t(to);
    return *reinterpret_cast<Ring*>(memory_ + index * (sizeof(Ring) + ring_bytes_));
}

std::shared_ptr<Transfer> Mailbox::send(at::Tensor tensor, int peer, int tag) {
    auto transfer = std::make_shared<Transfer>(Transfer{std::move(tensor), peer, tag});
    outgoing_[size_t(peer)].push_back(transfer);
    ++outgoing_count_;
    progress();
    return transfer;
}

std::shared_ptr<Transfer> Mailbox::receive(at::Tensor tensor, int peer, int tag) {
    auto transfer = std::make_shared<Transfer>(Transfer{std::move(tensor), peer, tag});
    if (!unpack(transfer)) {
        awaited_.push_back(transfer);
        progress();
    }
    return transfer;
}

int64_t Mailbox::put(Ring& ring, const void* data, int64_t bytes) {
    const uint64_t written = ring.written.load(std::memory_order_relaxed);
    const uint64_t used = written - ring.read.load(std::memory_order_acquire);
    const auto size = int64_t(ring_bytes_);
    bytes = std::min(bytes, size - int64_t(used));
    const auto at = int64_t(written % ring_bytes_);
    const int64_t head = std::min(bytes, size - at);
    std::memcpy(ring.data + at, data, size_t(head));
    std::memcpy(ring.data, static_cast<const char*>(data) + head, size_t(bytes - head));
    ring.written.store(written + uint64_t(bytes), std::memory_order_release);
    return bytes;
}

int64_t Mailbox::take(Ring& ring, void* data, int64_t bytes) {
    const uint64_t read = ring.read.load(std::memory_order_relaxed);
    bytes = std::min(bytes, waiting(ring));
    const auto at = int64_t(read % ring_bytes_);
    const int64_t head = std::min(bytes, int64_t(ring_bytes_) - at);
    std::memcpy(data, ring.data + at, size_t(head));
    std::memcpy(static_cast<char*>(data) + head, ring.data, size_t(bytes - head));
    ring.read.store(read + uint64_t(bytes), std::memory_order_release);
    return bytes;
}

int64_t Mailbox::waiting(const Ring& ring) const {
    return int64_t(ring.written.load(std::memory_order_acquire) -
                   ring.read.load(std::memory_order_relaxed));
}

void Mailbox::progress() {
    for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_) continue;
        push(peer);
        pull(peer);
    }
}

void Mailbox::push(int peer) {
    auto& queue = outgoing_[size_t(peer)];
    Ring& to = ring(rank_, peer);
    while (!queue.empty()) {
        Transfer& transfer = *queue.front();
        if (!transfer.begun) {
            const auto free = int64_t(ring_bytes_) - int64_t(to.written.load() - to.read.load());
            if (free < int64_t(sizeof(Envelope))) return;
            const Envelope envelope{transfer.tag, int64_t(transfer.tensor.nbytes())};
            put(to, &envelope, sizeof envelope);
            transfer.begun = true;
        }
        const auto* data = static_cast<const char*>(transfer.tensor.const_data_ptr());
        const int64_t left = int64_t(transfer.tensor.nbytes()) - transfer.moved;
        if (left > 0) transfer.moved += put(to, data + transfer.moved, left);
        if (transfer.moved < int64_t(transfer.tensor.nbytes())) return;
        transfer.done = true;
        queue.pop_front();
        --outgoing_count_;
    }
}

void Mailbox::pull(int peer) {
    Ring& from = ring(peer, rank_);
    Incoming& incoming = incoming_[size_t(peer)];
    while (incoming.expected >= 0 || open(peer, incoming)) {
        char* data = incoming.to_parcel ? incoming.parcel.bytes.data()
                                        : static_cast<char*>(incoming.into->tensor.data_ptr());
        const int64_t left = incoming.expected - incoming.moved;
        if (left > 0) incoming.moved += take(from, data + incoming.moved, left);
        if (incoming.moved < incoming.expected) return;
        if (incoming.to_parcel) {
            parcels_[size_t(peer)].push_back(std::move(incoming.parcel));
        } else {
            incoming.into->peer = peer;
            incoming.into->done = true;
        }
        incoming = {};
    }
}

bool Mailbox::open(int peer, Incoming& incoming) {
    // Without somebody who waits the message stays in the ring, and its sender waits.
    const bool wanted = std::any_of(awaited_.begin(), awaited_.end(), [&](const auto& transfer) {
        return transfer->peer == peer || transfer->peer < 0;
    });
    Ring& from = ring(peer, rank_);
    Envelope envelope;
    if (!wanted || waiting(from) < int64_t(sizeof envelope)) return false;
    take(from, &envelope, sizeof envelope);
    incoming.into = claim(peer, envelope.tag);
    incoming.expected = envelope.bytes;
    if (incoming.into) {
        check_size(*incoming.into, peer, envelope.bytes);
    } else {
        // Another tag is waited for: this one must not block it.
        incoming.to_parcel = true;
        incoming.parcel = {envelope.tag, std::vector<char>(size_t(envelope.bytes))};
    }
    return true;
}

std::shared_ptr<Transfer> Mailbox::claim(int peer, int64_t tag) {
    for (auto it = awaited_.begin(); it != awaited_.end(); ++it) {
        const auto transfer = *it;
        if ((transfer->peer == peer || transfer->peer < 0) && transfer->tag == tag) {
            awaited_.erase(it);
            return transfer;
        }
    }
    return nullptr;
}

bool Mailbox::unpack(const std::shared_ptr<Transfer>& transfer) {
    for (int peer = 0; peer < size_; ++peer) {
        if (transfer->peer >= 0 && transfer->peer != peer) continue;
        auto& parcels = parcels_[size_t(peer)];
        for (auto it = parcels.begin(); it != parcels.end(); ++it) {
            if (it->tag != transfer->tag) continue;
            check_size(*transfer, peer, int64_t(it->bytes.size()));
            if (!it->bytes.empty())
                std::memcpy(transfer->tensor.data_ptr(), it->bytes.data(), it->bytes.size());
            parcels.erase(it);
            transfer->peer = peer;
            transfer->done = true;
            return true;
        }
    }
    return false;
}

}  // namespace ailab::shm
