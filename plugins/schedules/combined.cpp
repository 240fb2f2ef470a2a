// Schedules made of schedules.
#include <algorithm>
#include <functional>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

using Schedules = std::vector<std::shared_ptr<LrScheduler>>;

/// One that follows a metric has no time of its own, so it cannot be a part.
Schedules make_parts(const std::vector<ModuleSpec<LrScheduler>>& specs) {
    Schedules parts;
    for (const ModuleSpec<LrScheduler>& spec : specs) {
        parts.push_back(spec.create());
        if (parts.back()->needs_metric())
            throw ConfigError(
                {{spec.config.place,
                  concat(spec.type(),
                         " follows a metric and cannot be a part of another schedule. "
                         "Give it to LrSchedulerHook by itself, with warmup if need be")}});
    }
    return parts;
}

class SequentialLR final : public LrScheduler {
  public:
    struct Options {
        std::vector<ModuleSpec<LrScheduler>> schedulers;
        std::vector<int64_t> milestones;
        void visit(OptionVisitor& v) {
            v.required("schedulers", schedulers,
                       "the schedules, one after the other; the time of each starts at 0");
            v.required("milestones", milestones, "when the second and each later one starts",
                       steps_from(1));
            v.rule([this]() -> std::string {
                if (schedulers.empty()) return "schedulers is empty";
                if (milestones.size() + 1 != schedulers.size())
                    return concat(schedulers.size(), " schedulers take ", schedulers.size() - 1,
                                  " milestones, got ", milestones.size());
                if (!std::is_sorted(milestones.begin(), milestones.end(), std::less_equal<>()))
                    return "milestones must go up";
                return "";
            });
        }
    };
    explicit SequentialLR(const Options& options)
        : starts_{0}, parts_(make_parts(options.schedulers)) {
        starts_.insert(starts_.end(), options.milestones.begin(), options.milestones.end());
    }

    /// Each part is as long as the time that it has.
    void set_length(const ScheduleLength& length) override {
        for (size_t i = 0; i < parts_.size(); ++i) {
            const int64_t end = i + 1 < starts_.size() ? starts_[i + 1] : length.total;
            parts_[i]->set_length({std::max<int64_t>(0, end - starts_[i])});
        }
    }

    double lr(double base_lr, int64_t t) const override {
        const size_t i = part_at(t);
        return parts_[i]->lr(base_lr, t - starts_[i]);
    }
    std::optional<double> momentum(double base_momentum, int64_t t) const override {
        const size_t i = part_at(t);
        return parts_[i]->momentum(base_momentum, t - starts_[i]);
    }

  private:
    size_t part_at(int64_t t) const {
        return size_t(std::upper_bound(starts_.begin(), starts_.end(), t) - starts_.begin()) - 1;
    }

    std::vector<int64_t> starts_;
    const Schedules parts_;
};

/// The product of schedules that are a factor of the learning rate each: PyTorch's values. What
/// PyTorch makes of others depends on the steps that were taken, so they are refused.
class ChainedScheduler final : public LrScheduler {
  public:
    struct Options {
        std::vector<ModuleSpec<LrScheduler>> schedulers;
        void visit(OptionVisitor& v) {
            v.required("schedulers", schedulers,
                       "the schedules; each is a factor of the learning rate");
            v.rule([this] { return schedulers.empty() ? "schedulers is empty" : ""; });
        }
    };
    explicit ChainedScheduler(const Options& options)
        : o(options), parts_(make_parts(options.schedulers)) {}

    void set_length(const ScheduleLength& length) override {
        for (const auto& part : parts_) part->set_length(length);
        // One that is no factor is found at the start.
        for (const int64_t t : {int64_t(0), int64_t(1), length.total / 2, length.total}) lr(1, t);
    }

    double lr(double base_lr, int64_t t) const override {
        double lr = base_lr;
        for (size_t i = 0; i < parts_.size(); ++i) {
            const double next = parts_[i]->lr(lr, t);
            // Twice a floating-point number is exact.
            if (parts_[i]->lr(2 * lr, t) != 2 * next)
                throw ConfigError(
                    {{o.schedulers[i].config.place,
                      concat(
                          o.schedulers[i].type(),
                          " as it is set here does not multiply the learning rate, so "
                          "ChainedScheduler cannot chain it. Use SequentialLR, or eta_min: 0")}});
            lr = next;
        }
        return lr;
    }
    /// The last one that moves it.
    std::optional<double> momentum(double base_momentum, int64_t t) const override {
        std::optional<double> result;
        for (const auto& part : parts_)
            if (const auto moved = part->momentum(base_momentum, t)) result = moved;
        return result;
    }

  private:
    const Options o;
    const Schedules parts_;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(SequentialLR, "One schedule after the other, changing at milestones")
AILAB_REGISTER_LR_SCHEDULER(ChainedScheduler, "Several schedules at once: the product of them")

}  // namespace ailab
