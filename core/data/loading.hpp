#pragma once
// What a loader thread learns of the sample that it makes. The other side of <ailab/loading.hpp>.
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "ailab/loading.hpp"

namespace ailab {

/// Time by LoadStage.
struct StageTimes {
    std::array<std::chrono::steady_clock::duration, 4> spent{};

    double seconds(LoadStage stage) const {
        return std::chrono::duration<double>(spent[size_t(stage)]).count();
    }
    void add(const StageTimes& other) {
        for (size_t i = 0; i < spent.size(); ++i) spent[i] += other.spent[i];
    }
};

/// Gathers what this thread's StageTimers and report_damage() say while it lives. Not nested.
class SampleRecord {
  public:
    SampleRecord();
    ~SampleRecord();
    SampleRecord(const SampleRecord&) = delete;
    SampleRecord& operator=(const SampleRecord&) = delete;

    /// Ends the present stage's time first.
    const StageTimes& times();
    /// What report_damage() was told on this thread since the last call.
    static std::vector<std::string> take_damage();

  private:
    friend class StageTimer;
    friend void report_damage(const std::string& what);

    LoadStage enter(LoadStage stage);

    StageTimes times_;
    LoadStage stage_ = LoadStage::other;
    std::chrono::steady_clock::time_point since_;
    std::vector<std::string> damage_;
};

}  // namespace ailab
