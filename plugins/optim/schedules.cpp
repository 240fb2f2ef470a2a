// Learning-rate schedules as pure functions of the time, with PyTorch's values.
#include <cmath>

#include "ailab/ailab.hpp"

namespace ailab {
namespace {

class StepLR final : public LrScheduler {
  public:
    struct Options {
        int64_t step_size = 1;
        double gamma = 0.1;
        void visit(OptionVisitor& v) {
            v.required("step_size", step_size, "time between two changes", at_least(1));
            v.option("gamma", gamma, "factor of each change", at_least(0));
        }
    };
    explicit StepLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        return base_lr * std::pow(o.gamma, double(t / o.step_size));
    }

  private:
    const Options o;
};

class CosineAnnealingLR final : public LrScheduler {
  public:
    struct Options {
        std::optional<int64_t> t_max;
        double eta_min = 0;
        void visit(OptionVisitor& v) {
            v.option("T_max", t_max, "time of the way down; by default the whole run", at_least(1));
            v.option("eta_min", eta_min, "learning rate at T_max", at_least(0));
        }
    };
    explicit CosineAnnealingLR(const Options& options) : o(options), t_max_(o.t_max.value_or(0)) {}

    void set_length(const ScheduleLength& length) override {
        if (!o.t_max) t_max_ = length.total;
    }

    double lr(double base_lr, int64_t t) const override {
        if (t_max_ < 1)
            throw Error("CosineAnnealingLR needs T_max: the length of the run is not known");
        const double turn = std::cos(M_PI * double(t) / double(t_max_));
        return o.eta_min + (base_lr - o.eta_min) * (1 + turn) / 2;
    }

  private:
    const Options o;
    int64_t t_max_;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(StepLR, "Times gamma every step_size epochs or steps")
AILAB_REGISTER_LR_SCHEDULER(CosineAnnealingLR, "Half a cosine from lr down to eta_min in T_max")

}  // namespace ailab
