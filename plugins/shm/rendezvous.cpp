// How the ranks come to share memory: the segment at the start, and the buckets later.
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "shm_backend.hpp"

namespace ailab::shm {
namespace {

constexpr std::string_view fine = "ok";

std::vector<uint8_t> bytes_of(const std::string& text) {
    return {text.begin(), text.end()};
}

std::string text_at(c10d::Store& store, const std::string& key) {
    const auto bytes = store.get(key);
    return {bytes.begin(), bytes.end()};
}

/// Runs `attempt`; what went wrong, or "ok".
template <class Attempt>
std::string outcome_of(Attempt attempt) {
    try {
        attempt();
        return std::string(fine);
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace

c10::intrusive_ptr<ShmBackend> ShmBackend::create(const c10::intrusive_ptr<c10d::Store>& store,
                                                  int rank, int size) {
    // A second backend over the same store must not see the first one's keys.
    static std::atomic<int> count{0};
    const std::string prefix = concat("shm/", count++, "/");
    const Layout layout(size);
    c10::intrusive_ptr<ShmBackend> backend;
    std::string outcome = "rank 0 has none";
    if (rank == 0) {
        outcome = outcome_of([&] {
            SharedSegment segment = SharedSegment::create(layout.total);
            segment.reserve(0, layout.total);
            const std::string name = segment.name();
            backend = c10::make_intrusive<ShmBackend>(std::move(segment), layout, rank, size);
            store->set(prefix + "name", bytes_of(name));
        });
        if (outcome != fine) store->set(prefix + "name", bytes_of("none"));
    } else {
        const std::string name = text_at(*store, prefix + "name");
        if (name != "none")
            outcome = outcome_of([&] {
                backend = c10::make_intrusive<ShmBackend>(SharedSegment::open(name, layout.total),
                                                          layout, rank, size);
            });
    }
    // All succeed or none: rank 0 hears from everyone and tells everyone.
    const auto key = [&](int r) { return concat(prefix, "rank", r); };
    if (rank == 0) {
        for (int r = 1; r < size && outcome == fine; ++r)
            if (const std::string theirs = text_at(*store, key(r)); theirs != fine)
                outcome = concat("rank ", r, ": ", theirs);
        store->set(prefix + "outcome", bytes_of(outcome));
    } else {
        store->set(key(rank), bytes_of(outcome));
        outcome = text_at(*store, prefix + "outcome");
    }
    if (outcome != fine)
        throw Error(concat("shm cannot be used: ", outcome,
                           ". Give the container more (docker run --shm-size=1g), or set "
                           "dist.backend to mpi or gloo."));
    backend->team_.segment().unlink();
    backend->do_barrier();
    return backend;
}

at::Tensor ShmBackend::allocate_bucket(int64_t bytes) {
    const std::lock_guard<std::mutex> guard(lock());
    if (bytes <= 0) throw Error(concat("a bucket of ", bytes, " bytes"));
    const size_t stride = (size_t(bytes) + 4095) / 4096 * 4096;
    begin(Call::allocate_bucket, bytes);
    std::unique_ptr<SharedSegment> segment;
    if (!reserve_bucket(segment, stride)) return {};
    auto bucket = std::make_shared<Bucket>(Bucket{std::move(*segment), stride});
    buckets_.push_back(bucket);
    return at::from_blob(
        bucket->part(rank_), {bytes}, [bucket](void*) mutable { bucket.reset(); },
        at::TensorOptions().dtype(at::kByte));
}

bool ShmBackend::reserve_bucket(std::unique_ptr<SharedSegment>& segment, size_t stride) {
    Control& control = team_.control();
    const size_t total = stride * size_t(size_);
    // Each rank tries its part; the first of them makes the segment.
    std::string outcome{fine};
    if (rank_ == 0) {
        control.bucket_name[0] = 0;
        outcome = outcome_of([&] {
            segment = std::make_unique<SharedSegment>(SharedSegment::create(total));
            std::strncpy(control.bucket_name, segment->name().c_str(),
                         sizeof control.bucket_name - 1);
        });
    }
    team_.sync();
    if (control.bucket_name[0] != 0)
        outcome = outcome_of([&] {
            if (rank_ != 0)
                segment = std::make_unique<SharedSegment>(
                    SharedSegment::open(control.bucket_name, total));
            segment->reserve(size_t(rank_) * stride, stride);
        });
    control.ranks[rank_].status = outcome == fine && segment ? 1 : 0;
    team_.sync();
    bool all = true;
    for (int r = 0; r < size_; ++r) all = all && control.ranks[r].status == 1;
    if (segment) segment->unlink();
    if (!all && outcome != fine)
        log_warning("shm: ", outcome,
                    "; gradients go through a staging area instead, which is slower");
    // Nobody may change the status before all have read it.
    team_.sync();
    return all;
}

}  // namespace ailab::shm
