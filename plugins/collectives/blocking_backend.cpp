#include "collectives/blocking_backend.hpp"
#include "collectives/flat.hpp"

namespace ailab::collectives {

using c10d::OpType;
using Guard = std::lock_guard<std::mutex>;

BlockingBackend::BlockingBackend(std::string name, int rank, int size)
    : Backend(rank, size), name_(std::move(name)) {}

c10::intrusive_ptr<c10d::Backend::Options> BlockingBackend::getBackendOptions() {
    return c10::make_intrusive<Options>(name_, timeout_);
}

BlockingBackend::Work BlockingBackend::done(OpType type, Tensors outputs) {
    ++calls_;
    return c10::make_intrusive<DoneWork>(rank_, type, std::move(outputs));
}

void BlockingBackend::require_one(size_t count, const char* call) const {
    if (count != 1) fail(name_, call, "expected one tensor, got ", count);
}

void BlockingBackend::require_root(int64_t root, const char* call) const {
    if (!(root >= 0 && root < size_))
        fail(name_, call, "root rank ", root, " is not one of 0 to ", size_ - 1);
}

BlockingBackend::Work BlockingBackend::broadcast(Tensors& tensors,
                                                 const c10d::BroadcastOptions& opts) {
    require_one(tensors.size(), "broadcast");
    require_root(opts.rootRank, "broadcast");
    const Guard guard(lock_);
    const Flat flat(name_, tensors[0], "broadcast");
    do_broadcast(flat.data(), flat.bytes(), int(opts.rootRank));
    flat.commit();
    return done(OpType::BROADCAST, tensors);
}

BlockingBackend::Work BlockingBackend::barrier(const c10d::BarrierOptions&) {
    const Guard guard(lock_);
    do_barrier();
    return done(OpType::BARRIER, {});
}

void BlockingBackend::monitoredBarrier(const c10d::BarrierOptions& opts, bool) {
    barrier(opts);
}

BlockingBackend::Work BlockingBackend::send(Tensors& tensors, int rank, int tag) {
    require_one(tensors.size(), "send");
    if (!(rank >= 0 && rank < size_ && rank != rank_))
        fail(name_, "send", "rank ", rank, " is not another rank");
    const Flat flat(name_, tensors[0], "send");
    const Guard guard(lock_);
    return start_send(flat.memory(), rank, tag);
}

BlockingBackend::Work BlockingBackend::recv(Tensors& tensors, int rank, int tag) {
    require_one(tensors.size(), "recv");
    if (!(rank >= 0 && rank < size_ && rank != rank_))
        fail(name_, "recv", "rank ", rank, " is not another rank");
    const Flat flat(name_, tensors[0], "recv");
    if (!flat.memory().is_same(tensors[0])) fail(name_, "recv", "takes contiguous tensors");
    const Guard guard(lock_);
    return start_recv(flat.memory(), rank, tag);
}

BlockingBackend::Work BlockingBackend::recvAnysource(Tensors& tensors, int tag) {
    require_one(tensors.size(), "recvAnysource");
    const Flat flat(name_, tensors[0], "recvAnysource");
    if (!flat.memory().is_same(tensors[0]))
        fail(name_, "recvAnysource", "takes contiguous tensors");
    const Guard guard(lock_);
    return start_recv(flat.memory(), -1, tag);
}

}  // namespace ailab::collectives
