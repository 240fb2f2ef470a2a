#pragma once
#include <optional>
#include <string>

#include "ailab/ailab.hpp"

namespace ailab {

/// A length that a schedule's option gives, or else the run: an option that PyTorch asks for and
/// the run knows.
class RunLength {
  public:
    RunLength(std::string schedule, std::string option, std::optional<int64_t> given)
        : schedule_(std::move(schedule)), option_(std::move(option)), given_(given) {}

    void set(const ScheduleLength& run) { run_ = run.total; }
    int64_t get() const {
        const int64_t length = given_.value_or(run_);
        if (length < 1)
            throw Error(
                concat(schedule_, " needs ", option_, ": the length of the run is not known"));
        return length;
    }

  private:
    const std::string schedule_;
    const std::string option_;
    const std::optional<int64_t> given_;
    int64_t run_ = 0;
};

}  // namespace ailab
