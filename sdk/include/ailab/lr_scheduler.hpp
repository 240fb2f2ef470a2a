#pragma once
#include <cstdint>
#include <optional>

#include "ailab/registry.hpp"
#include "ailab/state.hpp"

namespace ailab {

/// How long the run is, for schedules that depend on it; in the unit that the schedule counts in.
struct ScheduleLength {
    int64_t total = 0;
};

/// A learning-rate schedule: a pure function of the time t, which counts epochs or optimizer steps
/// (LrSchedulerHook's `by`), so resuming needs no state. One that follows a metric (needs_metric())
/// has state, and saves it.
class AILAB_API LrScheduler : public Stateful {
  public:
    ~LrScheduler() override;
    virtual void set_length(const ScheduleLength&) {}
    /// The learning rate at time t >= 0 (epochs or steps, as above; a warm-up in front counts
    /// optimizer steps whatever this counts, and its factor comes on top) of a group whose
    /// configured learning rate is base_lr.
    virtual double lr(double base_lr, int64_t t) const = 0;
    /// The same for the momentum of a group, where the schedule moves it.
    virtual std::optional<double> momentum(double /*base_momentum*/, int64_t /*t*/) const {
        return std::nullopt;
    }
    /// True if the schedule follows a result (ReduceLROnPlateau): observe() is then called when
    /// the results of each phase that it follows are there.
    virtual bool needs_metric() const { return false; }
    virtual void observe(double /*value*/) {}
    /// Before the first observe(): whether a greater result is the better one. For schedules whose
    /// options do not say.
    virtual void set_greater_is_better(bool) {}
    /// What its own options say of that, if they do.
    virtual std::optional<bool> greater_is_better() const { return std::nullopt; }
};

template <class T>
constexpr bool offers_in_vain(const LrScheduler*) {
    return AILAB_OVERRIDES_(T, LrScheduler, needs_metric) &&
           !AILAB_OVERRIDES_(T, LrScheduler, observe);
}

}  // namespace ailab
