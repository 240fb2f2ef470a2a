#include "loading.hpp"

#include <utility>

namespace ailab {

namespace {

thread_local SampleRecord* present = nullptr;

}  // namespace

BrokenSample::BrokenSample(const Place& place, const std::string& what)
    : Error(place.source ? concat(place.str(), ": ", what) : what), problem_{place, what} {}

BrokenSample::~BrokenSample() = default;

void report_damage(const std::string& what) {
    if (present) present->damage_.push_back(what);
}

StageTimer::StageTimer(LoadStage stage)
    : outer_(present ? present->enter(stage) : LoadStage::other) {}

StageTimer::~StageTimer() {
    if (present) present->enter(outer_);
}

SampleRecord::SampleRecord() : since_(std::chrono::steady_clock::now()) {
    present = this;
}

SampleRecord::~SampleRecord() {
    present = nullptr;
}

LoadStage SampleRecord::enter(LoadStage stage) {
    const auto now = std::chrono::steady_clock::now();
    times_.spent[size_t(stage_)] += now - std::exchange(since_, now);
    return std::exchange(stage_, stage);
}

const StageTimes& SampleRecord::times() {
    enter(stage_);
    return times_;
}

std::vector<std::string> SampleRecord::take_damage() {
    return present ? std::exchange(present->damage_, {}) : std::vector<std::string>();
}

}  // namespace ailab
