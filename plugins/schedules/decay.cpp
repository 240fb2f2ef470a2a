// Schedules that go down from the base learning rate by a factor of the time.
#include <algorithm>
#include <cmath>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"
#include "run_length.hpp"

namespace ailab {
namespace {

void gamma_option(OptionVisitor& v, double& gamma) {
    v.option("gamma", gamma, "factor of each change", at_least(0));
}

class StepLR final : public LrScheduler {
  public:
    struct Options {
        int64_t step_size = 1;
        double gamma = 0.1;
        void visit(OptionVisitor& v) {
            v.required("step_size", step_size, "time between two changes", steps_from(1));
            gamma_option(v, gamma);
        }
    };
    explicit StepLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        return base_lr * std::pow(o.gamma, double(t / o.step_size));
    }

  private:
    const Options o;
};

class MultiStepLR final : public LrScheduler {
  public:
    struct Options {
        std::vector<int64_t> milestones;
        double gamma = 0.1;
        void visit(OptionVisitor& v) {
            v.required("milestones", milestones,
                       "times of the changes, in any order; one that is given twice counts twice",
                       steps_from(0));
            gamma_option(v, gamma);
        }
    };
    explicit MultiStepLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        const auto passed = std::count_if(o.milestones.begin(), o.milestones.end(),
                                          [t](int64_t milestone) { return milestone <= t; });
        return base_lr * std::pow(o.gamma, double(passed));
    }

  private:
    const Options o;
};

class ExponentialLR final : public LrScheduler {
  public:
    struct Options {
        double gamma = 1;
        void visit(OptionVisitor& v) {
            v.required("gamma", gamma, "factor of each epoch or step", at_least(0));
        }
    };
    explicit ExponentialLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        return base_lr * std::pow(o.gamma, double(t));
    }

  private:
    const Options o;
};

class PolynomialLR final : public LrScheduler {
  public:
    struct Options {
        GivenLength total_iters;
        double power = 1;
        void visit(OptionVisitor& v) {
            v.option("total_iters", total_iters,
                     "time of the way down to 0; by default the whole run", steps_from(1));
            v.option("power", power, "exponent: 1 is a straight line", at_least(0));
        }
    };
    explicit PolynomialLR(const Options& options)
        : o(options), total_("PolynomialLR", "total_iters", o.total_iters) {}

    void set_length(const ScheduleLength& length) override { total_.set(length); }

    double lr(double base_lr, int64_t t) const override {
        const int64_t total = total_.get();
        const double left = 1 - double(std::min(t, total)) / double(total);
        return base_lr * std::pow(left, o.power);
    }

  private:
    const Options o;
    RunLength total_;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(StepLR, "Times gamma every step_size epochs or steps")
AILAB_REGISTER_LR_SCHEDULER(MultiStepLR, "Times gamma at each of the milestones")
AILAB_REGISTER_LR_SCHEDULER(ExponentialLR, "Times gamma in each epoch or step")
AILAB_REGISTER_LR_SCHEDULER(PolynomialLR, "A power of the time that is left, down to 0")

}  // namespace ailab
