#pragma once
// What a rank does, as the watchers tell it to each other.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "job.hpp"
#include "modules/collective.hpp"
#include "net.hpp"

namespace ailab::dist {

/// A heartbeat as one rank tells it to another.
struct Beat {
    std::string phase = "start";
    int64_t epoch = 0;
    int64_t iter = 0;
    int64_t step = 0;
    /// Where in the step or around it: "hook \"logger\", after_run"; "" where that says nothing.
    std::string doing;
    /// The collective in which it waits for other ranks, or "".
    std::string waits_in;
    std::chrono::milliseconds waits{0};
    /// Since when nothing of all this has changed.
    std::chrono::milliseconds still{0};

    /// "train, epoch 3, iter 17, step 412"; before the first iteration just "start".
    std::string position() const;
    /// The position and what is done there.
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
        set_doing("", nullptr);
    }
    /// As Job::doing().
    void set_doing(const char* what, const char* hook) noexcept {
        doing_.store(what, std::memory_order_relaxed);
        hook_.store(hook, std::memory_order_relaxed);
        // One thread writes.
        changes_.store(changes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    /// Async-signal-safe.
    Heartbeat get() const noexcept {
        return {phase_.load(std::memory_order_relaxed), epoch_.load(std::memory_order_relaxed),
                iter_.load(std::memory_order_relaxed), step_.load(std::memory_order_relaxed)};
    }
    uint64_t changes() const noexcept { return changes_.load(std::memory_order_relaxed); }
    /// Without what only time tells.
    Beat read() const;

  private:
    std::atomic<const char*> phase_{"start"};
    std::atomic<int64_t> epoch_{0};
    std::atomic<int64_t> iter_{0};
    std::atomic<int64_t> step_{0};
    std::atomic<const char*> doing_{""};
    std::atomic<const char*> hook_{nullptr};
    std::atomic<uint64_t> changes_{0};
};

/// Sees for how long this process's threads have been where they are, by looking often.
class Standstill {
  public:
    explicit Standstill(const BeatCell& beat) : beat_(beat) {}
    Beat look(Clock::time_point now);
    /// This process itself was stopped for so long, which counts for nothing.
    void excuse(Clock::duration pause);

  private:
    struct Seen {
        uint64_t number = 0;
        Clock::time_point since = Clock::now();
        std::chrono::milliseconds age(uint64_t number_now, Clock::time_point now);
    };

    const BeatCell& beat_;
    Seen work_, main_wait_, saver_wait_;
};

}  // namespace ailab::dist
