#pragma once
#include <optional>
#include <string>

#include "ailab/ailab.hpp"
#include "options/placed.hpp"

namespace ailab {

/// The option of a length that PyTorch asks for and the run knows.
using GivenLength = Placed<std::optional<int64_t>>;

/// A length that a schedule's option gives, or else the run.
class RunLength {
  public:
    RunLength(std::string schedule, std::string option, GivenLength given)
        : schedule_(std::move(schedule)), option_(std::move(option)), given_(std::move(given)) {}

    void set(const ScheduleLength& run) { run_ = run.total; }
    int64_t get() const {
        const int64_t length = given_.value.value_or(run_);
        if (length < 1)
            throw ConfigError({{given_.place, concat(schedule_, " needs ", option_,
                                                     ": the length of the run is not known")}});
        return length;
    }

  private:
    const std::string schedule_;
    const std::string option_;
    const GivenLength given_;
    int64_t run_ = 0;
};

}  // namespace ailab
