#include "ailab/ailab.hpp"
#include "monitor.hpp"
#include "never_due.hpp"
#include "options/limits.hpp"
#include "saved_number.hpp"

namespace ailab {
namespace {

class EarlyStopHook final : public Hook {
  public:
    struct Options {
        ResultName monitor;
        std::optional<std::string> rule;
        Placed<int64_t> patience{5, {}};
        double min_delta = 0;
        std::string phase = "val";
        void visit(OptionVisitor& v) {
            v.required("monitor", monitor, "the result to follow, such as loss or a metric's name");
            v.option(
                "rule", rule,
                "which value is better; by default as its metric says, else what its name tells: "
                "less of a loss or an error, greater of an accuracy or a score",
                monitor_rules());
            v.option("patience", patience, "evaluations without improvement that end the run",
                     steps_from(1));
            v.option("min_delta", min_delta, "an improvement is a change by more than this",
                     at_least(0));
            v.option("phase", phase, "the phase whose result it is", one_of(phase_names()));
        }
    };

    explicit EarlyStopHook(const Options& options)
        : o(options), monitor_(o.monitor, phase_of(o.phase), o.rule), best_(monitor_.worst()) {}

    /// After the metrics are there, and before a checkpoint holds what is counted here.
    int default_priority() const override { return priority::low; }
    bool for_training_only() const override { return true; }

    void check(const RunPlan& plan, Problems& problems) override {
        monitor_.check(plan, problems);
        monitor_.require_rule(problems);
        best_ = monitor_.worst();
    }
    void check_results(const RunPlan& plan, Problems& problems) override {
        monitor_.check_results(plan, problems);
    }

    void before_run(Run& run) override {
        monitor_.check_training(run);
        monitor_.warn_of_rule(run);
        log_info("EarlyStopHook: the run ends after ", patience(),
                 " evaluations without improvement of ", monitor_.describe());
        warn_if_never(run);
        // One that goes on from where it was ended; with more patience it does go on.
        if (waited_ >= patience()) run.stop(reason());
    }
    void after_train_epoch(Run& run) override { observe(run, Phase::train); }
    void after_val_epoch(Run& run) override { observe(run, Phase::val); }
    void after_test_epoch(Run& run) override { observe(run, Phase::test); }

    State save_state() const override {
        State state;
        state.values.set("best", Node(best_));
        state.values.set("waited", Node(waited_));
        state.values.set("monitor", monitor_.save());
        return state;
    }
    void load_state(const State& state) override {
        const Node* monitor = state.values.find("monitor");
        if (monitor && !monitor_.same_as(*monitor)) {
            log_info("EarlyStopHook begins anew with ", monitor_.describe(),
                     ": the checkpoint's best is that of ", monitor->flow());
            return;
        }
        best_ = saved_number(state, "EarlyStopHook", "best").as_float();
        waited_ = saved_number(state, "EarlyStopHook", "waited").as_int();
    }

  private:
    int64_t patience() const { return o.patience.value; }

    /// The first evaluation is the best so far.
    void warn_if_never(Run& run) const {
        const auto evaluations = most_evaluations(run, monitor_.phase());
        if (!evaluations || *evaluations < 1 || *evaluations > patience()) return;
        const bool given = !o.patience.place.str().empty();
        warn_of_no_effect(
            run, given ? o.patience.place : o.monitor.place,
            concat("EarlyStopHook never ends the run: its patience is ", patience(),
                   ", and there are ", evaluations_in_words(*evaluations, monitor_.phase()),
                   ", of which the first is no waiting. Lower patience, or remove "
                   "the hook"));
    }

    /// Results are the same on all ranks, so all stop alike.
    void observe(Run& run, Phase phase) {
        if (phase != monitor_.phase() || !run.stop_reason().empty()) return;
        const double value = monitor_.value(run);
        if (monitor_.better(value, best_, o.min_delta)) {
            best_ = value;
            waited_ = 0;
            return;
        }
        if (++waited_ >= patience()) run.stop(reason());
    }
    std::string reason() const {
        return concat(monitor_.name(), " has not become better than ", best_, " in ", waited_,
                      waited_ == 1 ? " evaluation" : " evaluations");
    }

    const Options o;
    Monitor monitor_;
    double best_;
    int64_t waited_ = 0;  // evaluations since the best one
};

}  // namespace

AILAB_REGISTER_HOOK(EarlyStopHook, "Ends the run when a result no longer gets better (priority 70)")

}  // namespace ailab
