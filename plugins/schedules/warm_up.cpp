// Schedules that end at a factor of the base learning rate: for the start of a run.
#include <algorithm>

#include "ailab/ailab.hpp"
#include "curves.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

class LinearLR final : public LrScheduler {
  public:
    struct Options {
        double start_factor = 1.0 / 3;
        double end_factor = 1;
        int64_t total_iters = 5;
        void visit(OptionVisitor& v) {
            v.option("start_factor", start_factor, "factor of the learning rate at the start",
                     {.min = 0, .max = 1, .exclusive_min = true});
            v.option("end_factor", end_factor, "factor at total_iters and after it", between(0, 1));
            v.option("total_iters", total_iters, "time from one factor to the other",
                     steps_from(1));
        }
    };
    explicit LinearLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        const double x = double(std::min(t, o.total_iters)) / double(o.total_iters);
        return base_lr * line_between(o.start_factor, o.end_factor, x);
    }

  private:
    const Options o;
};

class ConstantLR final : public LrScheduler {
  public:
    struct Options {
        double factor = 1.0 / 3;
        int64_t total_iters = 5;
        void visit(OptionVisitor& v) {
            v.option("factor", factor, "factor of the learning rate until total_iters",
                     between(0, 1));
            v.option("total_iters", total_iters, "when the factor ends", steps_from(1));
        }
    };
    explicit ConstantLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        return t < o.total_iters ? base_lr * o.factor : base_lr;
    }

  private:
    const Options o;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(LinearLR, "From start_factor to end_factor in a straight line")
AILAB_REGISTER_LR_SCHEDULER(ConstantLR, "Times factor until total_iters, then the whole lr")

}  // namespace ailab
