#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "job.hpp"

namespace ailab::dist {

/// A heartbeat as one rank tells it to another.
struct Beat {
    std::string phase = "start";
    int64_t epoch = 0;
    int64_t iter = 0;
    int64_t step = 0;

    /// "train, epoch 3, iter 17, step 412"; before the first iteration just "start".
    std::string describe() const;
};

/// Where the main thread leaves its heartbeats. A reader may see the parts of two successive ones.
class BeatCell {
  public:
    void set(const Heartbeat& heartbeat) noexcept {
        phase_.store(heartbeat.phase, std::memory_order_relaxed);
        epoch_.store(heartbeat.epoch, std::memory_order_relaxed);
        iter_.store(heartbeat.iter, std::memory_order_relaxed);
        step_.store(heartbeat.step, std::memory_order_relaxed);
    }
    /// Async-signal-safe.
    Heartbeat get() const noexcept {
        return {phase_.load(std::memory_order_relaxed), epoch_.load(std::memory_order_relaxed),
                iter_.load(std::memory_order_relaxed), step_.load(std::memory_order_relaxed)};
    }
    Beat read() const {
        const Heartbeat now = get();
        return {now.phase, now.epoch, now.iter, now.step};
    }

  private:
    std::atomic<const char*> phase_{"start"};
    std::atomic<int64_t> epoch_{0};
    std::atomic<int64_t> iter_{0};
    std::atomic<int64_t> step_{0};
};

}  // namespace ailab::dist
