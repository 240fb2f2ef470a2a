#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

/// The time of a training iteration on a quiet machine: what happens every 50 iterations (log
/// lines) is kept apart by its place among the 50, what happens once an epoch is a time of its own,
/// and of each the first decile counts. So all that a run does regularly is in the result, and what
/// the machine's other users do is not.
class IterationTimes {
  public:
    void begin_epoch() {
        last_ = Clock::now();
        iterations_ = 0;
    }
    void iteration() { by_place_[iterations_++ % period].push_back(lap()); }
    /// What came after the last iteration.
    void end_epoch() {
        ends_.push_back(lap());
        epoch_iterations_ = iterations_;
    }
    /// Seconds an iteration.
    double result() {
        double sum = 0;
        for (std::vector<double>& times : by_place_) sum += first_decile(times);
        return sum / period + first_decile(ends_) / double(epoch_iterations_);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr int64_t period = 50;

    double lap() {
        const auto now = Clock::now();
        const std::chrono::duration<double> taken = now - last_;
        last_ = now;
        return taken.count();
    }
    static double first_decile(std::vector<double>& values) {
        if (values.empty()) return 0;
        const auto decile = values.begin() + long(values.size() / 10);
        std::nth_element(values.begin(), decile, values.end());
        return *decile;
    }

    Clock::time_point last_;
    int64_t iterations_ = 0;
    int64_t epoch_iterations_ = 1;
    std::vector<std::vector<double>> by_place_ = std::vector<std::vector<double>>(period);
    std::vector<double> ends_;
};
