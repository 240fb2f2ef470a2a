#pragma once
#include <chrono>
#include <cstdint>

namespace ailab {

/// Mean seconds of training iterations, and of waiting for data in them. Run::timing() serves one
/// hook alone: it begins anew with each call.
class LoopTimer {
  public:
    struct Mean {
        double iteration = 0;
        double data = 0;
    };

    void begin() { last_ = Clock::now(); }
    /// The batch is there.
    void batch_came() { data_ += since(last_); }
    /// The iteration is over, and the next one begins.
    void iteration_ended() {
        const Clock::time_point now = Clock::now();
        iterations_ += std::chrono::duration<double>(now - last_).count();
        last_ = now;
        ++count_;
    }
    /// Since the last call.
    Mean take() {
        const double n = count_ == 0 ? 1.0 : double(count_);
        const Mean mean{iterations_ / n, data_ / n};
        iterations_ = data_ = 0;
        count_ = 0;
        return mean;
    }
    int64_t count() const { return count_; }

  private:
    using Clock = std::chrono::steady_clock;
    static double since(Clock::time_point begin) {
        return std::chrono::duration<double>(Clock::now() - begin).count();
    }

    Clock::time_point last_;
    double iterations_ = 0;
    double data_ = 0;
    int64_t count_ = 0;
};

}  // namespace ailab
