#pragma once
// Waiting for a sample that may never come: a file on a host that is gone, a lock that nobody gives
// back.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "host/clock.hpp"
#include "loader_options.hpp"

namespace ailab {

/// Where the making of a batch is. Written by the thread that makes it, read by the one that waits,
/// which may also call it off.
class MakeProgress {
  public:
    /// Between samples: the epoch's order, a transform of the whole batch.
    static constexpr int64_t no_sample = -1;

    void begin(int64_t batch) noexcept {
        sample_.store(no_sample, std::memory_order_relaxed);
        batch_.store(batch, std::memory_order_relaxed);
    }
    /// The sample, or the first of a batch that is made as a whole, that is begun now.
    void at(int64_t sample) noexcept {
        sample_.store(sample, std::memory_order_relaxed);
        begun_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Nobody wants the batch any more: it need not be made to its end.
    void call_off() noexcept { is_called_off_.store(true, std::memory_order_relaxed); }
    bool is_called_off() const noexcept { return is_called_off_.load(std::memory_order_relaxed); }

    int64_t batch() const noexcept { return batch_.load(std::memory_order_relaxed); }
    int64_t sample() const noexcept { return sample_.load(std::memory_order_relaxed); }
    /// Another number with each sample.
    int64_t begun() const noexcept { return begun_.load(std::memory_order_relaxed); }

  private:
    std::atomic<int64_t> batch_{-1}, sample_{no_sample}, begun_{0};
    std::atomic<bool> is_called_off_{false};
};

/// One wait for a batch. look() is called again and again while it lasts.
class SampleWait {
  public:
    /// So often look() is to be called.
    static constexpr std::chrono::milliseconds interval{50};

    explicit SampleWait(const LoaderOptions& options) : options_(options) {}

    /// `progress`: of the batch that is waited for; nullptr when it is not begun. Says who waits
    /// for what when the run is asked to end, and when one sample takes long. Throws Error when it
    /// takes longer than the options' sample_timeout. The time that this process was stopped does
    /// not count.
    void look(const MakeProgress* progress);

  private:
    std::string what(const MakeProgress* progress) const;

    const LoaderOptions& options_;
    Clock::time_point looked_ = Clock::now();
    Clock::duration waited_{};  // for the present sample
    std::optional<int64_t> begun_;
    bool has_said_stop_ = false, has_said_slow_ = false;
};

}  // namespace ailab
