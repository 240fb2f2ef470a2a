#include "ailab/ailab.hpp"
#include "monitor.hpp"
#include "saved_number.hpp"

namespace ailab {
namespace {

class EarlyStopHook final : public Hook {
  public:
    struct Options {
        ResultName monitor;
        std::optional<std::string> rule;
        int64_t patience = 5;
        double min_delta = 0;
        std::string phase = "val";
        void visit(OptionVisitor& v) {
            v.required("monitor", monitor, "the result to follow, such as loss or a metric's name");
            v.option("rule", rule,
                     "which value is better; by default less for losses and errors by their "
                     "names, else greater",
                     monitor_rules());
            v.option("patience", patience, "evaluations without improvement that end the run",
                     at_least(1));
            v.option("min_delta", min_delta, "an improvement is a change by more than this",
                     at_least(0));
            v.option("phase", phase, "the phase whose result it is",
                     one_of({"train", "val", "test"}));
        }
    };

    explicit EarlyStopHook(const Options& options)
        : o(options), monitor_(o.monitor, phase_of(o.phase), o.rule), best_(monitor_.worst()) {}

    /// After the metrics are there, and before a checkpoint holds what is counted here.
    int default_priority() const override { return priority::low; }
    bool for_training_only() const override { return true; }

    void check(const RunPlan& plan, Problems& problems) override { monitor_.check(plan, problems); }

    void before_run(Run&) override {
        log_info("EarlyStopHook: the run ends after ", o.patience,
                 " evaluations without improvement of ", monitor_.describe());
    }
    void after_train_epoch(Run& run) override { observe(run, Phase::train); }
    void after_val_epoch(Run& run) override { observe(run, Phase::val); }
    void after_test_epoch(Run& run) override { observe(run, Phase::test); }

    State save_state() const override {
        State state;
        state.values.set("best", Node(best_));
        state.values.set("waited", Node(waited_));
        return state;
    }
    void load_state(const State& state) override {
        best_ = saved_number(state, "EarlyStopHook", "best").as_float();
        waited_ = saved_number(state, "EarlyStopHook", "waited").as_int();
    }

  private:
    /// Results are the same on all ranks, so all stop alike.
    void observe(Run& run, Phase phase) {
        if (phase != monitor_.phase() || !run.stop_reason().empty()) return;
        const double value = monitor_.value(run);
        if (monitor_.better(value, best_, o.min_delta)) {
            best_ = value;
            waited_ = 0;
            return;
        }
        if (++waited_ < o.patience) return;
        run.stop(concat(monitor_.name(), " has not become better than ", best_, " in ", waited_,
                        waited_ == 1 ? " evaluation" : " evaluations"));
    }

    const Options o;
    const Monitor monitor_;
    double best_;
    int64_t waited_ = 0;  // evaluations since the best one
};

}  // namespace

AILAB_REGISTER_HOOK(EarlyStopHook, "Ends the run when a result no longer gets better (priority 70)")

}  // namespace ailab
