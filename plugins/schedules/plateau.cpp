// Reduces the learning rate when a result has stopped to get better.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/ailab.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

class ReduceLROnPlateau final : public LrScheduler {
  public:
    struct Options {
        std::optional<std::string> mode;
        double factor = 0.1;
        int64_t patience = 10;
        double threshold = 1e-4;
        std::string threshold_mode = "rel";
        int64_t cooldown = 0;
        double min_lr = 0;
        double eps = 1e-8;

        void visit(OptionVisitor& v) {
            v.option("mode", mode,
                     "whether less or more is better; by default as the result's metric says, else "
                     "what its name tells: less of a loss or an error, more of an accuracy or a "
                     "score",
                     one_of({"min", "max"}));
            v.option("factor", factor, "factor of each reduction",
                     {.min = 0, .max = 1, .exclusive_max = true});
            v.option("patience", patience, "evaluations without improvement that are let pass",
                     steps_from(0));
            v.option("threshold", threshold, "the least change that counts as an improvement",
                     at_least(0));
            v.option("threshold_mode", threshold_mode, "threshold as part of the best, or as such",
                     one_of({"rel", "abs"}));
            v.option("cooldown", cooldown, "evaluations after a reduction that do not count",
                     steps_from(0));
            v.option("min_lr", min_lr, "the lowest learning rate", at_least(0));
            v.option("eps", eps, "a reduction by no more than this is left out", at_least(0));
        }
    };
    explicit ReduceLROnPlateau(const Options& options)
        : o(options), less_(o.mode.value_or("min") == "min"), best_(worst()) {}

    bool needs_metric() const override { return true; }
    /// From here on the best is looked for anew; the rate stays where it is.
    void set_greater_is_better(bool greater) override {
        is_told_ = true;
        if (!o.mode) less_ = !greater;
        begin_anew();
    }
    std::optional<bool> greater_is_better() const override {
        return o.mode ? std::optional(*o.mode == "max") : std::nullopt;
    }
    void set_length(const ScheduleLength&) override {
        if (!o.mode && !is_told_)
            throw Error(
                "the name of the result that ReduceLROnPlateau follows does not tell whether less "
                "or more of it is better; say mode: min or mode: max");
    }

    // NaN is better than nothing, so it counts as no improvement.
    void observe(double value) override {
        if (is_better(value)) {
            best_ = value;
            bad_ = 0;
        } else {
            ++bad_;
        }
        if (cooldown_ > 0) {
            --cooldown_;
            bad_ = 0;
        }
        if (bad_ <= o.patience) return;
        ++reductions_;
        cooldown_ = o.cooldown;
        bad_ = 0;
    }

    double lr(double base_lr, int64_t) const override {
        double lr = base_lr;
        for (int64_t i = 0; i < reductions_; ++i) {
            const double reduced = std::max(lr * o.factor, o.min_lr);
            if (lr - reduced <= o.eps) break;
            lr = reduced;
        }
        return lr;
    }

    State save_state() const override {
        State state;
        state.values.set("best", Node(best_));
        state.values.set("bad", Node(bad_));
        state.values.set("cooldown", Node(cooldown_));
        state.values.set("reductions", Node(reductions_));
        state.values.set("mode", Node::string(mode()));
        return state;
    }
    void load_state(const State& state) override {
        best_ = number(state, "best").as_float();
        if (std::isinf(best_)) best_ = worst();  // that of another mode, or none was seen
        bad_ = number(state, "bad").as_int();
        cooldown_ = number(state, "cooldown").as_int();
        reductions_ = number(state, "reductions").as_int();
        const Node* mode_then = state.values.find("mode");
        if (mode_then && mode_then->is_string() && mode_then->as_string() != mode()) begin_anew();
    }

  private:
    void begin_anew() {
        best_ = worst();
        bad_ = 0;
    }
    const char* mode() const { return less_ ? "min" : "max"; }
    double worst() const {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        return less_ ? infinity : -infinity;
    }

    bool is_better(double value) const {
        const bool relative = o.threshold_mode == "rel";
        if (less_) return value < (relative ? best_ * (1 - o.threshold) : best_ - o.threshold);
        return value > (relative ? best_ * (1 + o.threshold) : best_ + o.threshold);
    }

    static const Node& number(const State& state, const char* name) {
        const Node* node = state.values.find(name);
        if (!node || !node->is_number())
            throw Error(concat("the saved state of ReduceLROnPlateau has no number \"", name, '"'));
        return *node;
    }

    const Options o;
    bool less_;             // is better
    bool is_told_ = false;  // what is better, by whoever knows the result
    double best_;
    int64_t bad_ = 0;       // evaluations since the best one
    int64_t cooldown_ = 0;  // evaluations that do not count yet
    int64_t reductions_ = 0;
};

}  // namespace

AILAB_REGISTER_LR_SCHEDULER(ReduceLROnPlateau,
                            "Times factor when the monitored result no longer gets better")

}  // namespace ailab
