#pragma once
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "segment.hpp"

namespace ailab::shm {

/// What a rank calls: the ranks compare theirs, so that ranks which went different ways hear of it
/// instead of summing one's gradients with another's losses.
struct Call {
    enum Kind : uint16_t {
        barrier,
        broadcast,
        allreduce,
        reduce,
        allgather,
        gather,
        scatter,
        reduce_scatter,
        alltoall,
        allocate_bucket
    };
    Kind kind = barrier;
    /// The bucket that the tensor lies in, counted from 1; 0 for none.
    uint16_t bucket = 0;
    int16_t root = -1;
    /// A c10::ScalarType and a Reduction, or -1.
    int8_t type = -1;
    int8_t op = -1;
    int64_t count = 0;
    int64_t offset = 0;

    bool operator==(const Call&) const = default;
    std::string str() const;
};

/// The beginning of the segment: where the ranks wait for each other.
struct Control {
    struct alignas(128) Rank {
        /// How many syncs this rank has reached; the word that others sleep on.
        std::atomic<uint32_t> stage;
        std::atomic<uint32_t> sleepers;
        std::atomic<int32_t> status;
        /// The present call and the one before, which slower ranks may still be looking at.
        alignas(64) Call calls[2];
        alignas(64) cpu_set_t cores;
    };
    std::atomic<uint32_t> aborted_by;  // rank + 1
    std::atomic<uint32_t> first_gone;  // rank + 1: those who leave because of it are not named
    char bucket_name[64];
    alignas(128) Rank ranks[];
};

/// The ranks that share a segment, and their only way to wait for each other.
class Team {
  public:
    /// `segment` begins with a Control for `size` ranks, zero when it is new.
    Team(SharedSegment segment, int rank, int size);

    static size_t control_bytes(int size);

    int rank() const { return rank_; }
    int size() const { return size_; }
    SharedSegment& segment() { return segment_; }
    Control& control() { return *control_; }

    /// Says what the next sync() begins.
    void begin(const Call& call);
    /// Returns when all ranks have come here as often as this one. What they wrote before is
    /// visible after. Throws Error when a rank is gone, has aborted, makes another call, or at the
    /// timeout.
    void sync();
    /// Throws Error when a rank is gone or has aborted; `doing` is what this one is waiting in.
    void check_alive(const std::string& doing);
    /// Wakes the others with an error. Any thread.
    void abort() noexcept;
    void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
    /// Run now and then while waiting, when it is set.
    void set_idle(std::function<void()> idle) { idle_ = std::move(idle); }

  private:
    bool reached(const Control::Rank& peer) const;
    void publish();
    void await(int peer);
    void sleep_until_reached(int peer);
    bool crowded();
    void compare_calls();
    const Call& call() const { return control_->ranks[rank_].calls[calls_ & 1]; }

    SharedSegment segment_;
    Control* const control_;
    const int rank_;
    const int size_;
    uint32_t stage_ = 0;
    uint64_t calls_ = 0;
    bool compared_ = true;
    int cores_ = 0;
    std::chrono::milliseconds timeout_{30 * 60 * 1000};
    std::function<void()> idle_;
};

}  // namespace ailab::shm
