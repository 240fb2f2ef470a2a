#include <algorithm>

#include "ailab/ailab.hpp"
#include "monitor.hpp"
#include "warm_up.hpp"

namespace ailab {
namespace {

class LrSchedulerHook final : public Hook {
  public:
    struct Options {
        ModuleSpec<LrScheduler> scheduler;
        std::string by = "epoch";
        ResultName monitor = {"loss", {}};
        WarmUp warm_up;
        void visit(OptionVisitor& v) {
            v.required("scheduler", scheduler,
                       "the schedule, such as {type: StepLR, step_size: 30}");
            v.option("by", by, "what the schedule counts: epochs or optimizer steps",
                     one_of({"epoch", "iter"}));
            v.option("monitor", monitor, "the result that ReduceLROnPlateau follows");
            warm_up.visit(v);
        }
    };

    explicit LrSchedulerHook(const Options& options)
        : scheduler_(options.scheduler.create()),
          schedule_name_(options.scheduler.type()),
          schedule_place_(options.scheduler.config.place),
          result_(options.monitor),
          warm_up_(options.warm_up),
          by_epoch_(options.by == "epoch") {
        if (result_.place.str().empty()) result_.place = schedule_place_;
    }

    int default_priority() const override { return priority::high; }
    bool for_training_only() const override { return true; }

    void check(const RunPlan& plan, Problems& problems) override {
        if (!scheduler_->needs_metric()) return;
        const auto& phases = plan.phases;
        if (std::find(phases.begin(), phases.end(), Phase::val) == phases.end()) {
            monitor_ = Monitor(result_, Phase::train);
            const auto trained = plan.results.find(Phase::train);
            if (trained != plan.results.end() && trained->second.empty())
                return problems.add(
                    result_.place,
                    concat(schedule_name_, " follows a result of the val phase (", result_.value,
                           "), which the workflow does not have. Add it and data.val, or a "
                           "metric with phases: [train], and name that as monitor."));
        }
        monitor_.check(plan, problems);
    }

    void before_run(Run& run) override {
        const Progress& progress = run.progress();
        warm_up_steps_ = warm_up_.steps(progress);
        try {
            scheduler_->set_length({length(progress)});
            check_rates(run);
            check_momentum(run);
        } catch (const Error& error) {
            refuse(error);
        }
        if (run.resumed_from().empty()) apply(run);
        warn_of_long_warm_up(run);
    }
    // In the middle of an epoch when a run is taken back.
    void after_load_checkpoint(Run& run, const std::string&) override {
        if (in_training_) apply(run);
    }
    void before_train_epoch(Run& run) override {
        observe(run);
        in_training_ = true;
        // A run that was stopped after the last step of an epoch ends that epoch when it goes on:
        // what is logged then is the rate of the step that was taken.
        const Progress& progress = run.progress();
        const bool all_steps_taken = progress.iter > 0 && progress.iter >= progress.iters;
        if (!all_steps_taken) apply(run);
    }
    void before_train_iter(Run& run) override {
        if (!by_epoch_ || run.progress().step <= warm_up_steps_) apply(run);
    }

    void after_train_epoch(Run&) override { evaluated(Phase::train); }
    void after_val_epoch(Run&) override { evaluated(Phase::val); }
    // The state that is saved must know the result.
    void before_save_checkpoint(Run& run, const std::string&) override { observe(run); }
    State save_state() const override { return scheduler_->save_state(); }
    void load_state(const State& state) override {
        to_observe_ = false;
        // A run may go on with another schedule.
        if (scheduler_->needs_metric() && state.values.members().empty())
            log_info("the checkpoint has no state of ", schedule_name_, ", which begins anew");
        else
            scheduler_->load_state(state);
    }

  private:
    /// What is wrong with a schedule in view of the run is a mistake of the configuration.
    [[noreturn]] void refuse(const Error& error) const {
        const auto* mistake = dynamic_cast<const ConfigError*>(&error);
        std::vector<Problem> problems =
            mistake ? mistake->problems() : std::vector<Problem>{{{}, error.what()}};
        for (Problem& problem : problems)
            if (problem.place.str().empty()) problem.place = schedule_place_;
        throw ConfigError(std::move(problems));
    }

    void warn_of_long_warm_up(Run& run) const {
        const int64_t total = run.progress().total_steps;
        if (warm_up_steps_ >= total && total > 0 && warm_up_steps_ > 0 && run.is_main())
            log_warning("the warm-up takes ", warm_up_steps_,
                        " optimizer steps, and the whole run has ", total,
                        ": it never comes to the learning rate of ", schedule_name_);
    }

    void evaluated(Phase phase) {
        to_observe_ = to_observe_ || (scheduler_->needs_metric() && phase == monitor_.phase());
    }
    /// Metrics are published after this hook was called for the end of the phase, so the result is
    /// taken when the run goes on.
    void observe(Run& run) {
        if (!to_observe_) return;
        scheduler_->observe(monitor_.value(run));
        to_observe_ = false;
    }

    int64_t time(const Progress& progress) const {
        return by_epoch_ ? progress.epoch : progress.step;
    }
    int64_t length(const Progress& progress) const {
        return by_epoch_ ? progress.total_epochs : progress.total_steps;
    }

    /// The learning rate and the momentum follow from the time alone (and from the results that the
    /// schedule has observed), so nothing has to be kept.
    void apply(Run& run) const {
        const int64_t t = time(run.progress());
        for (auto& [name, optimizer] : run.optimizers())
            for (ParamGroup& group : optimizer->groups()) {
                group.lr = rate(run, group);
                if (const auto initial = group.initial_momentum)
                    group.momentum = scheduler_->momentum(*initial, t).value_or(*initial);
            }
    }

    double rate(const Run& run, const ParamGroup& group) const {
        const Progress& progress = run.progress();
        return warm_up_.factor(progress.step, warm_up_steps_) *
               scheduler_->lr(group.initial_lr, time(progress));
    }

    /// A schedule that cannot tell a learning rate ends the run here.
    void check_rates(Run& run) const {
        for (const auto& [name, optimizer] : run.optimizers())
            for (const ParamGroup& group : optimizer->groups()) (void)rate(run, group);
    }

    /// A schedule that moves the momentum, at whatever time, needs optimizers that have one.
    void check_momentum(Run& run) const {
        const int64_t total = length(run.progress());
        int64_t t = 0;
        while (t < total && !scheduler_->momentum(0, t)) ++t;
        if (t == total) return;
        for (const auto& [name, optimizer] : run.optimizers())
            for (const ParamGroup& group : optimizer->groups())
                if (!group.initial_momentum)
                    throw Error(concat(schedule_name_, " moves the momentum, and the optimizer",
                                       name.empty() ? "" : " " + name,
                                       " has none. Give it one, or set cycle_momentum: false"));
    }

    const std::shared_ptr<LrScheduler> scheduler_;
    const std::string schedule_name_;
    const Place schedule_place_;
    ResultName result_;
    const WarmUp warm_up_;
    const bool by_epoch_;
    Monitor monitor_{result_, Phase::val};
    int64_t warm_up_steps_ = 0;
    bool in_training_ = false;
    bool to_observe_ = false;  // the phase has ended, and the schedule does not know its result
};

}  // namespace

AILAB_REGISTER_HOOK(LrSchedulerHook,
                    "Sets the learning rate (and momentum) of every optimizer (priority 30)")

}  // namespace ailab
