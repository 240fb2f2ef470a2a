// Cosine annealing (Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
// ICLR 2017).
#include <algorithm>
#include <cmath>

#include "ailab/ailab.hpp"
#include "curves.hpp"
#include "options/limits.hpp"
#include "run_length.hpp"

namespace ailab {
namespace {

class CosineAnnealingLR final : public LrScheduler {
  public:
    struct Options {
        GivenLength t_max;
        double eta_min = 0;
        void visit(OptionVisitor& v) {
            v.option("T_max", t_max, "time of the way down; by default the whole run",
                     steps_from(1));
            v.option("eta_min", eta_min, "learning rate at T_max", at_least(0));
        }
    };
    explicit CosineAnnealingLR(const Options& options)
        : o(options), t_max_("CosineAnnealingLR", "T_max", o.t_max) {}

    void set_length(const ScheduleLength& length) override { t_max_.set(length); }

    double lr(double base_lr, int64_t t) const override {
        return cosine_between(base_lr, o.eta_min, double(t) / double(t_max_.get()));
    }

  private:
    const Options o;
    RunLength t_max_;
};

class CosineAnnealingWarmRestarts final : public LrScheduler {
  public:
    struct Options {
        int64_t t_0 = 1;
        int64_t t_mult = 1;
        double eta_min = 0;
        void visit(OptionVisitor& v) {
            v.required("T_0", t_0, "time until the first restart", steps_from(1));
            v.option("T_mult", t_mult, "how much longer each next one takes", count_from(1));
            v.option("eta_min", eta_min, "learning rate before a restart", at_least(0));
        }
    };
    explicit CosineAnnealingWarmRestarts(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        auto since = double(t);
        auto period = double(o.t_0);
        if (o.t_mult == 1) since = std::fmod(since, period);
        while (since >= period) {
            since -= period;
            period *= double(o.t_mult);
        }
        return cosine_between(base_lr, o.eta_min, since / period);
    }

  private:
    const Options o;
};

/// A linear warm-up from 0 (Goyal et al., "Accurate, Large Minibatch SGD", 2017), then a cosine.
class WarmupAndCosineAnnealingLR final : public LrScheduler {
  public:
    struct Options {
        Placed<int64_t> warmup_steps;
        GivenLength total_steps;
        double eta_min = 0;
        void visit(OptionVisitor& v) {
            v.required("warmup_steps", warmup_steps, "time of the way up from 0", steps_from(0));
            v.option("total_steps", total_steps,
                     "time of the way up and down; by default the whole run", steps_from(1));
            v.option("eta_min", eta_min, "learning rate at total_steps and after it", at_least(0));
            v.rule([this] {
                return total_steps.value ? too_short(*total_steps.value) : std::string();
            });
        }
        std::string too_short(int64_t total) const {
            if (warmup_steps.value < total) return "";
            return concat("warmup_steps must be below total_steps, which is ", total, "; got ",
                          warmup_steps.value);
        }
    };
    explicit WarmupAndCosineAnnealingLR(const Options& options)
        : o(options), total_("WarmupAndCosineAnnealingLR", "total_steps", o.total_steps) {}

    void set_length(const ScheduleLength& length) override {
        total_.set(length);
        if (o.total_steps.value || length.total < 1) return;
        const std::string complaint = o.too_short(length.total);
        if (!complaint.empty())
            throw ConfigError({{o.warmup_steps.place, "WarmupAndCosineAnnealingLR: " + complaint}});
    }

    double lr(double base_lr, int64_t t) const override {
        const int64_t total = total_.get();
        const int64_t warm_up = o.warmup_steps.value;
        if (t < warm_up) return base_lr * double(t) / double(warm_up);
        const double x = double(t - warm_up) / double(total - warm_up);
        return cosine_between(base_lr, o.eta_min, std::min(1.0, x));
    }

  private:
    const Options o;
    RunLength total_;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(CosineAnnealingLR, "Half a cosine from lr down to eta_min in T_max")
AILAB_REGISTER_LR_SCHEDULER(CosineAnnealingWarmRestarts,
                            "Half a cosine down to eta_min, again and again")
AILAB_REGISTER_LR_SCHEDULER(WarmupAndCosineAnnealingLR,
                            "Up from 0 in a straight line, then half a cosine down to eta_min")

}  // namespace ailab
