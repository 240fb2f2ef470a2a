#pragma once
#include <cstdint>
#include <optional>

#include "host/clock.hpp"

namespace ailab {

/// "1200/2000 files, 85.3/s, 9 s left" on the last line of a terminal; nothing where stderr is
/// none.
class ProgressLine {
  public:
    ProgressLine(std::optional<int64_t> total, bool wanted);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void advance();
    /// Before something else is written to the terminal.
    void clear();

  private:
    const std::optional<int64_t> total_;
    const bool draws_;
    const Clock::time_point begin_ = Clock::now();
    Clock::time_point drawn_{};
    int64_t done_ = 0;
    bool visible_ = false;
};

}  // namespace ailab
