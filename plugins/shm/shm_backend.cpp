#include "shm_backend.hpp"

#include <algorithm>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::shm {

using collectives::PendingWork;
using collectives::Reduction;

namespace {

constexpr size_t page = 4096;
// A bucket this small takes longer to sync twice than to copy.
constexpr int64_t small_bucket_bytes = 4096;
// Below this every rank sums everything; above, with three ranks and more, each sums its part.
constexpr int64_t small_staged_bytes = 16 << 10;

constexpr size_t round_up(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

const char* at(const void* data, int64_t offset) {
    return static_cast<const char*>(data) + offset;
}
char* at(void* data, int64_t offset) {
    return static_cast<char*>(data) + offset;
}

void copy(void* to, const void* from, int64_t bytes) {
    if (bytes > 0 && to != from) std::memcpy(to, from, size_t(bytes));
}

/// The elements that rank `part` of `parts` reduces: whole cache lines.
std::pair<int64_t, int64_t> portion(int64_t count, int64_t element, int part, int parts) {
    const int64_t line = std::max<int64_t>(1, 128 / element);
    const int64_t lines = (count + line - 1) / line;
    return {std::min(count, lines * part / parts * line),
            std::min(count, lines * (part + 1) / parts * line)};
}

/// Calls step(offset, count) for each chunk; once with nothing for an empty tensor, since the ranks
/// still meet.
template <class Step>
void for_chunks(int64_t count, int64_t chunk, Step step) {
    int64_t offset = 0;
    do {
        step(offset, std::min(chunk, count - offset));
        offset += chunk;
    } while (offset < count);
}

}  // namespace

Layout::Layout(int size) {
    // Half of the level 2 cache, which holds one's own and the neighbour's; at most 32 MB together.
    const size_t ranks = size_t(size);
    slot_bytes = std::clamp(size_t{32 << 20} / (2 * ranks), 2 * page, size_t{256 << 10});
    slot_bytes = slot_bytes / page * page;
    ring_bytes =
        std::clamp(size_t{4 << 20} / (ranks * ranks) / 64 * 64, size_t{1024}, size_t{64 << 10});
    mailbox = round_up(Team::control_bytes(size), page);
    slots = round_up(mailbox + Mailbox::memory_bytes(ring_bytes, size), page);
    total = slots + 2 * ranks * slot_bytes;
}

ShmBackend::ShmBackend(SharedSegment segment, const Layout& layout, int rank, int size)
    : BlockingBackend("shm", rank, size),
      layout_(layout),
      team_(std::move(segment), rank, size),
      mailbox_(team_.segment().data() + layout.mailbox, layout.ring_bytes, rank, size) {}

void ShmBackend::setTimeout(std::chrono::milliseconds timeout) {
    BlockingBackend::setTimeout(timeout);
    team_.set_timeout(timeout);
}

char* ShmBackend::slot(int rank) {
    const size_t index = size_t(chunk_) * size_t(size_) + size_t(rank);
    return team_.segment().data() + layout_.slots + index * layout_.slot_bytes;
}

std::vector<const void*> ShmBackend::slots(int64_t offset) {
    std::vector<const void*> result;
    for (int r = 0; r < size_; ++r) result.push_back(slot(r) + offset);
    return result;
}

void ShmBackend::begin(Call::Kind kind, int64_t count, int type, int op, int root) {
    team_.begin({.kind = kind,
                 .root = int16_t(root),
                 .type = int8_t(type),
                 .op = int8_t(op),
                 .count = count});
}

void ShmBackend::do_barrier() {
    begin(Call::barrier, 0);
    team_.sync();
}

void ShmBackend::do_broadcast(void* data, int64_t bytes, int root) {
    begin(Call::broadcast, bytes, -1, -1, root);
    // The slots of one set lie together: the root uses all of them.
    for_chunks(bytes, int64_t(layout_.slot_bytes) * size_, [&](int64_t offset, int64_t n) {
        next_chunk();
        if (rank_ == root) copy(slot(0), at(data, offset), n);
        team_.sync();
        if (rank_ != root) copy(at(data, offset), slot(0), n);
    });
}

void ShmBackend::gather_chunks(const void* in, int64_t bytes, Parts outs) {
    for_chunks(bytes, int64_t(layout_.slot_bytes), [&](int64_t offset, int64_t n) {
        next_chunk();
        copy(slot(rank_), at(in, offset), n);
        team_.sync();
        for (size_t r = 0; r < outs.size(); ++r) copy(at(outs[r], offset), slot(int(r)), n);
    });
}

void ShmBackend::do_allgather(const void* in, int64_t bytes, Parts outs) {
    begin(Call::allgather, bytes);
    gather_chunks(in, bytes, outs);
}

void ShmBackend::do_gather(const void* in, int64_t bytes, Parts outs, int root) {
    begin(Call::gather, bytes, -1, -1, root);
    gather_chunks(in, bytes, outs);
}

void ShmBackend::do_scatter(ConstParts ins, void* out, int64_t bytes, int root) {
    begin(Call::scatter, bytes, -1, -1, root);
    for_chunks(bytes, int64_t(layout_.slot_bytes), [&](int64_t offset, int64_t n) {
        next_chunk();
        for (size_t r = 0; r < ins.size(); ++r) copy(slot(int(r)), at(ins[r], offset), n);
        team_.sync();
        copy(at(out, offset), slot(rank_), n);
    });
}

void ShmBackend::do_allreduce(void* data, int64_t count, c10::ScalarType type, Reduction op) {
    const auto bytes = count * int64_t(c10::elementSize(type));
    for (size_t i = 0; i < buckets_.size(); ++i) {
        const int64_t offset = static_cast<char*>(data) - buckets_[i]->part(rank_);
        if (offset < 0 || offset + bytes > int64_t(buckets_[i]->stride)) continue;
        team_.begin({.kind = Call::allreduce,
                     .bucket = uint16_t(i + 1),
                     .type = int8_t(type),
                     .op = int8_t(op),
                     .count = count,
                     .offset = offset});
        if (bytes <= small_bucket_bytes)
            reduce_staged(data, data, count, type, op);
        else
            reduce_in_place(*buckets_[i], offset, count, type, op);
        return;
    }
    begin(Call::allreduce, count, int(type), int(op));
    reduce_staged(data, data, count, type, op);
}

void ShmBackend::do_reduce(const void* in, void* out, int64_t count, c10::ScalarType type,
                           Reduction op, int root) {
    begin(Call::reduce, count, int(type), int(op), root);
    reduce_staged(in, rank_ == root ? out : nullptr, count, type, op);
}

void ShmBackend::reduce_in_place(const Bucket& bucket, int64_t offset, int64_t count,
                                 c10::ScalarType type, Reduction op) {
    const auto element = int64_t(c10::elementSize(type));
    const auto [begin, end] = portion(count, element, rank_, size_);
    std::vector<void*> parts;
    for (int r = 0; r < size_; ++r) parts.push_back(bucket.part(r) + offset + begin * element);
    team_.sync();
    collectives::reduce(type, op, parts, parts, end - begin);
    team_.sync();
}

void ShmBackend::reduce_staged(const void* in, void* out, int64_t count, c10::ScalarType type,
                               Reduction op) {
    const auto element = int64_t(c10::elementSize(type));
    for_chunks(count, int64_t(layout_.slot_bytes) / element, [&](int64_t first, int64_t n) {
        next_chunk();
        copy(slot(rank_), at(in, first * element), n * element);
        team_.sync();
        if (size_ <= 2 || n * element <= small_staged_bytes) {
            if (!out) return;
            void* const outs[] = {at(out, first * element)};
            collectives::reduce(type, op, slots(0), outs, n);
            return;
        }
        const auto [begin, end] = portion(n, element, rank_, size_);
        void* const outs[] = {slot(rank_) + begin * element};
        collectives::reduce(type, op, slots(begin * element), outs, end - begin);
        team_.sync();
        for (int r = 0; out && r < size_; ++r) {
            const auto [from, to] = portion(n, element, r, size_);
            copy(at(out, (first + from) * element), slot(r) + from * element,
                 (to - from) * element);
        }
    });
}

void ShmBackend::do_reduce_scatter(ConstParts ins, void* out, int64_t count, c10::ScalarType type,
                                   Reduction op) {
    begin(Call::reduce_scatter, count, int(type), int(op));
    const auto element = int64_t(c10::elementSize(type));
    // Each slot holds a piece for every rank.
    const int64_t piece = int64_t(layout_.slot_bytes) / size_ / 64 * 64;
    for_chunks(count, piece / element, [&](int64_t first, int64_t n) {
        next_chunk();
        for (int r = 0; r < size_; ++r)
            copy(slot(rank_) + r * piece, at(ins[size_t(r)], first * element), n * element);
        team_.sync();
        void* const outs[] = {at(out, first * element)};
        collectives::reduce(type, op, slots(rank_ * piece), outs, n);
    });
}

void ShmBackend::do_alltoall(ConstParts ins, std::span<const int64_t> in_bytes, Parts outs,
                             std::span<const int64_t> out_bytes) {
    // First everybody's sizes: the ranks must know how often they meet.
    begin(Call::alltoall, 0);
    next_chunk();
    copy(slot(rank_), in_bytes.data(), int64_t(in_bytes.size_bytes()));
    team_.sync();
    int64_t longest = 0;
    std::string wrong;
    for (int from = 0; from < size_; ++from) {
        const auto* sizes = reinterpret_cast<const int64_t*>(slot(from));
        for (int to = 0; to < size_; ++to) longest = std::max(longest, sizes[to]);
        if (sizes[rank_] != out_bytes[size_t(from)])
            wrong = concat("shm alltoall: rank ", from, " sends ", sizes[rank_], " bytes to rank ",
                           rank_, ", which expects ", out_bytes[size_t(from)]);
    }
    if (!wrong.empty()) throw Error(wrong);
    const int64_t piece = int64_t(layout_.slot_bytes) / size_ / 64 * 64;
    for_chunks(longest, piece, [&](int64_t offset, int64_t) {
        auto left = [&](int64_t bytes) { return std::min(piece, bytes - offset); };
        next_chunk();
        for (int r = 0; r < size_; ++r)
            copy(slot(rank_) + r * piece, at(ins[size_t(r)], offset), left(in_bytes[size_t(r)]));
        team_.sync();
        for (int r = 0; r < size_; ++r)
            copy(at(outs[size_t(r)], offset), slot(r) + rank_ * piece, left(out_bytes[size_t(r)]));
    });
}

}  // namespace ailab::shm
