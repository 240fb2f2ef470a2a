#pragma once
// What a dataset or transform tells the loader about the sample that is being made on this thread.
#include <chrono>
#include <string>

#include "ailab/error.hpp"

namespace ailab {

/// A sample that cannot be used: its file is missing, or is no image. `on_error: skip` leaves the
/// sample out and counts it; any other exception ends the run. The text names the file.
class AILAB_API BrokenSample : public Error {
  public:
    explicit BrokenSample(const std::string& text) : BrokenSample(Place(), text) {}
    /// The text is "place: what".
    BrokenSample(const Place& place, const std::string& what);
    ~BrokenSample() override;

    const Problem& problem() const { return problem_; }

  private:
    Problem problem_;
};

/// The sample is used although it is damaged (a cut image): the loader counts and lists it. `what`
/// names the file. Does nothing on a thread that makes no sample.
AILAB_API void report_damage(const std::string& what);

/// What the time of making samples goes into, for the log's advice on what limits a run.
enum class LoadStage { read, decode, transform, other };

/// The time from here to the end of the scope belongs to `stage`, except that of timers inside.
/// Costs two readings of the clock.
class AILAB_API StageTimer {
  public:
    explicit StageTimer(LoadStage stage);
    ~StageTimer();
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

  private:
    LoadStage outer_;
};

}  // namespace ailab
