#pragma once
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "checkpoint.hpp"

namespace ailab {

/// Writes checkpoints while training goes on, one at a time. What is to be saved is copied before
/// write() returns. Main thread only.
class BackgroundWriter {
  public:
    BackgroundWriter() = default;
    ~BackgroundWriter();
    BackgroundWriter(const BackgroundWriter&) = delete;
    BackgroundWriter& operator=(const BackgroundWriter&) = delete;

    /// Waits for the one before (and throws what it threw), copies, and starts. `comm` is used by
    /// the writing thread alone. All ranks call it alike.
    void write(const std::string& path, const std::string& pointer, const Checkpoint& checkpoint,
               std::unique_ptr<Comm> comm);
    /// The same for a file of weights alone, which rank 0 writes. It does not wait: it is written
    /// after what is under way.
    void write_weights(const std::string& path, const NamedTensors& weights,
                       const ClassFacts& classes, std::unique_ptr<Comm> comm);
    /// Throws what a write that has ended threw. Cheap: called each iteration.
    void check() {
        if (ended_.load(std::memory_order_acquire)) wait();
    }
    /// Waits for the write under way; throws what it threw.
    void wait();
    /// The run fails: a checkpoint that is being written may still be completed, for so long.
    void finish_within(std::chrono::milliseconds limit) noexcept;

  private:
    void start(std::function<void()> work);
    void run();

    std::thread thread_;
    std::mutex mutex_;
    std::deque<std::function<void()>> work_;  // guarded by mutex_
    std::atomic<bool> ended_{false};
    std::exception_ptr error_;
};

}  // namespace ailab
