#include "team.hpp"

#include <ATen/Parallel.h>
#include <c10/core/ScalarType.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "ailab/error.hpp"
#include "collectives/reduce.hpp"

namespace ailab::shm {
namespace {

using std::chrono::milliseconds;

// About 50 us: longer than a rank is late when each has a core of its own.
constexpr int spins = 2000;
// When they share cores the one that is waited for needs this one.
constexpr int yields = 20;
constexpr milliseconds look_after_peers{100};
constexpr milliseconds look_after_messages{1};

void futex_wait(std::atomic<uint32_t>& word, uint32_t seen, milliseconds limit) {
    const timespec time{limit.count() / 1000, limit.count() % 1000 * 1000000};
    // Whatever it returns, the caller looks again.
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, &time, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

}  // namespace

static_assert(sizeof(std::atomic<uint32_t>) == 4 && std::atomic<uint32_t>::is_always_lock_free);

std::string Call::str() const {
    static constexpr const char* names[] = {
        "barrier", "broadcast", "allreduce",      "reduce",   "allgather",
        "gather",  "scatter",   "reduce_scatter", "alltoall", "allocate_bucket"};
    std::string text = names[kind];
    if (op >= 0) text += concat(" ", collectives::reduction_name(collectives::Reduction(op)));
    if (type >= 0)
        text += concat(" of ", count, " ", c10::toString(c10::ScalarType(type)));
    else if (count > 0)
        text += concat(" of ", count, " bytes");
    if (root >= 0) text += concat(" root ", root);
    if (bucket > 0) text += concat(" in bucket ", bucket, " at ", offset);
    return text;
}

size_t Team::control_bytes(int size) {
    return sizeof(Control) + size_t(size) * sizeof(Control::Rank);
}

Team::Team(SharedSegment segment, int rank, int size)
    : segment_(std::move(segment)),
      control_(reinterpret_cast<Control*>(segment_.data())),
      rank_(rank),
      size_(size) {
    segment_.hold(rank_);
    cpu_set_t& mine = control_->ranks[rank_].cores;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) CPU_ZERO(&mine);
}

bool Team::reached(const Control::Rank& peer) const {
    // The counters wrap; no two are ever more than one apart.
    return int32_t(peer.stage.load(std::memory_order_acquire) - stage_) >= 0;
}

void Team::begin(const Call& call) {
    control_->ranks[rank_].calls[++calls_ & 1] = call;
    compared_ = false;
}

void Team::publish() {
    Control::Rank& mine = control_->ranks[rank_];
    // Sequentially consistent with a sleeper's "count me, then look": one of the two sees the
    // other.
    mine.stage.store(++stage_);
    if (mine.sleepers.load() != 0) futex_wake_all(mine.stage);
}

void Team::sync() {
    publish();
    for (int peer = 0; peer < size_; ++peer)
        if (peer != rank_) await(peer);
    if (!compared_) compare_calls();
}

void Team::await(int peer) {
    const Control::Rank& other = control_->ranks[peer];
    if (reached(other)) return;
    if (crowded()) {
        for (int i = 0; i < yields; ++i) {
            sched_yield();
            if (reached(other)) return;
        }
    } else {
        for (int i = 0; i < spins; ++i) {
            pause_cpu();
            if (reached(other)) return;
        }
    }
    sleep_until_reached(peer);
}

void Team::sleep_until_reached(int peer) {
    Control::Rank& other = control_->ranks[peer];
    const auto begun = std::chrono::steady_clock::now();
    auto looked = begun;
    while (!reached(other)) {
        other.sleepers.fetch_add(1);
        const uint32_t seen = other.stage.load();
        if (int32_t(seen - stage_) < 0 && control_->aborted_by.load() == 0)
            futex_wait(other.stage, seen, idle_ ? look_after_messages : look_after_peers);
        other.sleepers.fetch_sub(1);
        if (reached(other)) return;
        if (idle_) idle_();
        const auto now = std::chrono::steady_clock::now();
        if (now - looked < look_after_peers && control_->aborted_by.load() == 0) continue;
        looked = now;
        check_alive(call().str());
        if (now - begun > timeout_)
            throw Error(concat("shm: rank ", peer, " did not come to ", call().str(), " within ",
                               timeout_.count() / 1000, " s; it lives, but is elsewhere"));
    }
}

void Team::check_alive(const std::string& doing) {
    const uint32_t aborted_by = control_->aborted_by.load();
    if (aborted_by != 0) throw Error(concat("shm: rank ", aborted_by - 1, " has ended the job"));
    for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_ || segment_.held_by_other(peer)) continue;
        uint32_t gone = 0;
        if (control_->first_gone.compare_exchange_strong(gone, uint32_t(peer + 1)))
            gone = uint32_t(peer + 1);
        throw Error(concat("shm: rank ", gone - 1,
                           " is gone (it was killed, or has ended) while rank ", rank_, " was in ",
                           doing));
    }
}

void Team::abort() noexcept {
    uint32_t nobody = 0;
    control_->aborted_by.compare_exchange_strong(nobody, uint32_t(rank_ + 1));
    for (int rank = 0; rank < size_; ++rank) futex_wake_all(control_->ranks[rank].stage);
}

bool Team::crowded() {
    // The threads may be set after the backend is made, so they are asked for each time; the cores
    // of all ranks are known when the first sync is over.
    if (stage_ <= 1) return true;
    if (cores_ == 0) {
        cpu_set_t all;
        CPU_ZERO(&all);
        for (int rank = 0; rank < size_; ++rank) CPU_OR(&all, &all, &control_->ranks[rank].cores);
        cores_ = std::max(1, CPU_COUNT(&all));
    }
    return size_ * at::get_num_threads() > cores_;
}

void Team::compare_calls() {
    compared_ = true;
    const Call& mine = call();
    for (int peer = 0; peer < size_; ++peer) {
        const Call& other = control_->ranks[peer].calls[calls_ & 1];
        if (other == mine) continue;
        throw Error(concat("shm: the ranks make different calls: rank ", rank_, " ", mine.str(),
                           ", rank ", peer, " ", other.str(),
                           ". All ranks must make the same collective calls in the same order."));
    }
}

}  // namespace ailab::shm
