// The 1cycle policy (Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks
// Using Large Learning Rates", 2019): the learning rate goes up and down once, the momentum down
// and up.
#include "ailab/ailab.hpp"
#include "curves.hpp"
#include "momentum_cycle.hpp"
#include "options/limits.hpp"
#include "run_length.hpp"

namespace ailab {
namespace {

class OneCycleLR final : public LrScheduler {
  public:
    struct Options {
        std::optional<double> max_lr;
        GivenLength total_steps;
        double pct_start = 0.3;
        std::string anneal_strategy = "cos";
        MomentumCycle momentum{0.85, 0.95};
        double div_factor = 25;
        double final_div_factor = 1e4;
        bool three_phase = false;

        void visit(OptionVisitor& v) {
            v.option("max_lr", max_lr,
                     "learning rate at the top; by default each group's configured one",
                     at_least(0));
            v.option("total_steps", total_steps, "time of the cycle; by default the whole run",
                     steps_from(1));
            v.option("pct_start", pct_start, "part of it that goes up", between(0, 1));
            v.option("anneal_strategy", anneal_strategy, "form of the ways up and down",
                     one_of({"cos", "linear"}));
            momentum.visit(v);
            v.option("div_factor", div_factor, "max_lr over the first learning rate", at_least(1));
            v.option("final_div_factor", final_div_factor, "the first learning rate over the last",
                     above(0));
            v.option("three_phase", three_phase,
                     "go down as fast as up, then on to the last learning rate");
            v.rule([this]() -> std::string {
                if (div_factor * final_div_factor >= 1) return "";
                return concat(
                    "the last learning rate, max_lr over div_factor and "
                    "final_div_factor, would lie above max_lr; final_div_factor is ",
                    final_div_factor);
            });
        }
    };
    explicit OneCycleLR(const Options& options)
        : o(options), total_("OneCycleLR", "total_steps", o.total_steps) {}

    void set_length(const ScheduleLength& length) override {
        total_.set(length);
        const auto& [given, place] = o.total_steps;
        if (given && *given < length.total)
            throw ConfigError(
                {{place, concat("OneCycleLR is over after total_steps ", *given,
                                ", and the run goes on to ", length.total,
                                ". Leave total_steps out: then the cycle is as long as the run")}});
    }

    double lr(double base_lr, int64_t t) const override {
        const double max = o.max_lr.value_or(base_lr);
        const double first = max / o.div_factor;
        return at(t, {first, max, first / o.final_div_factor});
    }
    std::optional<double> momentum(double, int64_t t) const override {
        if (!o.momentum.cycles) return std::nullopt;
        return at(t, {o.momentum.max, o.momentum.base, o.momentum.max});
    }

  private:
    struct Values {
        double first;
        double top;
        double last;
    };

    double at(int64_t t, const Values& value) const {
        const auto total = double(total_.get());
        const auto now = double(t);
        const double top = o.pct_start * total - 1;
        const double end = total - 1;
        if (now <= top) return along(0, top, now, value.first, value.top);
        if (!o.three_phase) return along(top, end, now, value.top, value.last);
        const double down = 2 * o.pct_start * total - 2;
        if (now <= down) return along(top, down, now, value.top, value.first);
        return along(down, end, now, value.first, value.last);
    }

    /// The value at `now` on the way from `a` at time `begin` to `b` at time `end`. A way without
    /// length is at its end.
    double along(double begin, double end, double now, double a, double b) const {
        const double x = end > begin ? (now - begin) / (end - begin) : 1;
        return o.anneal_strategy == "cos" ? cosine_between(a, b, x) : line_between(a, b, x);
    }

    const Options o;
    RunLength total_;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(OneCycleLR,
                            "Up to max_lr and down to almost 0, the momentum the other way")

}  // namespace ailab
