// Cyclical learning rates (Smith, "Cyclical Learning Rates for Training Neural Networks", WACV
// 2017).
#include <cmath>

#include "ailab/ailab.hpp"
#include "curves.hpp"
#include "momentum_cycle.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

class CyclicLR final : public LrScheduler {
  public:
    struct Options {
        std::optional<double> base_lr;
        double max_lr = 0;
        int64_t step_size_up = 2000;
        std::optional<int64_t> step_size_down;
        std::string mode = "triangular";
        double gamma = 1;
        MomentumCycle momentum{0.8, 0.9};

        void visit(OptionVisitor& v) {
            v.option("base_lr", base_lr,
                     "the lowest learning rate; by default each group's configured one",
                     at_least(0));
            v.required("max_lr", max_lr, "the highest learning rate of the first cycle",
                       at_least(0));
            v.option("step_size_up", step_size_up, "time of a way up", steps_from(1));
            v.option("step_size_down", step_size_down,
                     "time of a way down; by default as on the way up", steps_from(1));
            v.option("mode", mode,
                     "triangular: all cycles alike; triangular2: each half as high as the one "
                     "before; exp_range: as high as gamma to the power of the time",
                     one_of({"triangular", "triangular2", "exp_range"}));
            v.option("gamma", gamma, "for exp_range", at_least(0));
            momentum.visit(v);
            v.rule([this]() -> std::string {
                if (!base_lr || *base_lr <= max_lr) return "";
                return concat("base_lr, the lowest rate, is ", *base_lr,
                              ", above max_lr, which is ", max_lr);
            });
        }
    };
    explicit CyclicLR(const Options& options) : o(options) {}

    double lr(double base_lr, int64_t t) const override {
        return line_between(o.base_lr.value_or(base_lr), o.max_lr, height(t));
    }
    std::optional<double> momentum(double, int64_t t) const override {
        if (!o.momentum.cycles) return std::nullopt;
        return line_between(o.momentum.max, o.momentum.base, height(t));
    }

  private:
    /// Where between its two ends a value stands: 1 at the top of the first cycle.
    double height(int64_t t) const {
        const int64_t down = o.step_size_down.value_or(o.step_size_up);
        const int64_t cycle = t / (o.step_size_up + down);
        const int64_t since = t % (o.step_size_up + down);
        const double triangle = since <= o.step_size_up
                                    ? double(since) / double(o.step_size_up)
                                    : 1 - double(since - o.step_size_up) / double(down);
        if (o.mode == "triangular2") return triangle * std::pow(0.5, double(cycle));
        if (o.mode == "exp_range") return triangle * std::pow(o.gamma, double(t));
        return triangle;
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(CyclicLR, "Up and down between base_lr and max_lr, again and again")

}  // namespace ailab
