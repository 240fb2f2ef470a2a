#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "ailab/ailab.hpp"
#include "monitor.hpp"
#include "never_due.hpp"
#include "only_one.hpp"
#include "schedule_counts.hpp"
#include "schedule_rates.hpp"
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
            v.option("monitor", monitor,
                     "the result that ReduceLROnPlateau follows; whether less or more of it is "
                     "better follows from its metric, else its name, where the schedule's mode "
                     "does not say");
            warm_up.visit(v);
        }
    };

    explicit LrSchedulerHook(const Options& options)
        : scheduler_(options.scheduler.create()),
          schedule_name_(options.scheduler.type()),
          schedule_place_(options.scheduler.config.place),
          schedule_(options.scheduler.config.write()),
          result_(options.monitor),
          warm_up_(options.warm_up),
          by_epoch_(options.by == "epoch") {
        if (result_.place.str().empty()) result_.place = schedule_place_;
        if (const auto greater = monitor_.greater_is_better();
            greater && scheduler_->needs_metric())
            scheduler_->set_greater_is_better(*greater);
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
        if (const auto told = monitor_.told()) scheduler_->set_greater_is_better(*told);
    }
    void check_results(const RunPlan& plan, Problems& problems) override {
        if (scheduler_->needs_metric()) monitor_.check_results(plan, problems);
    }

    void before_run(Run& run) override {
        refuse_second(run, "LrSchedulerHook", "the learning rate",
                      "keep one, with warmup, or with SequentialLR or ChainedScheduler of several "
                      "schedules");
        if (scheduler_->needs_metric()) {
            monitor_.check_training(run);
            warn_of_mode(run);
        }
        const Progress& progress = run.progress();
        warm_up_steps_ = warm_up_.steps(progress);
        try {
            scheduler_->set_length({length(progress)});
            // Where its mode says, that counts; the best so far is forgotten in any case.
            if (std::exchange(begins_anew_, false))
                scheduler_->set_greater_is_better(monitor_.greater_is_better().value_or(true));
            check_rates(run);
            check_momentum(run);
        } catch (const Error& error) {
            refuse(error);
        }
        if (run.resumed_from().empty()) apply(run);
        if (!run.is_main()) return;
        for (const std::string& doubt : doubtful_times(schedule_, by_epoch_, progress))
            log_warning(schedule_place_.str(), ": ", schedule_name_, ": ", doubt);
        warn_of_rates(run);
        warn_of_long_warm_up(run);
        warn_of_standstill(run, 0);
        warn_if_never(run);
    }
    // In the middle of an epoch when a run is taken back.
    void after_load_checkpoint(Run& run, const std::string&) override {
        if (in_training_) apply(run);
    }
    void before_train_epoch(Run& run) override {
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
    void after_results(Run& run, Phase) override { observe(run); }
    // The state that is saved between the two must know the result.
    void before_save_checkpoint(Run& run, const std::string&) override { observe(run); }
    /// The schedule's, and what was last applied.
    State save_state() const override {
        State state = scheduler_->save_state();
        if (!applied_.rates.empty()) state.values.set(applied_key, applied_.save());
        if (scheduler_->needs_metric()) state.values.set(followed_key, monitor_.save());
        return state;
    }
    void load_state(const State& state) override {
        to_observe_ = false;
        State own = state;
        std::erase_if(own.values.members(), [](const Member& member) {
            return member.key == applied_key || member.key == followed_key;
        });
        if (const Node* applied = state.values.find(applied_key)) loaded_ = Applied::load(*applied);
        // A run may go on with another schedule.
        if (scheduler_->needs_metric() && own.values.members().empty()) {
            log_info("the checkpoint has no state of ", schedule_name_, ", which begins anew");
            return;
        }
        scheduler_->load_state(own);
        const Node* followed = state.values.find(followed_key);
        if (!scheduler_->needs_metric() || !followed || monitor_.same_as(*followed)) return;
        log_info(schedule_name_, " looks for the best anew, in ", phase_name(monitor_.phase()), ' ',
                 monitor_.name(), ": the checkpoint's is that of ", followed->flow());
        begins_anew_ = true;
    }

  private:
    static constexpr const char* applied_key = "applied";
    static constexpr const char* followed_key = "followed";

    /// A time as warm-ups and as schedules count it.
    struct Moment {
        int64_t step = 0;
        int64_t time = 0;
    };
    struct Applied {
        Moment moment;
        std::vector<double> rates;  // scheduled, of each optimizer

        Node save() const {
            Node::List list;
            for (const double rate : rates) list.push_back(Node(rate));
            Node node = Node::map();
            node.set("step", Node(moment.step));
            node.set("time", Node(moment.time));
            node.set("lr", Node::list(std::move(list)));
            return node;
        }
        static Applied load(const Node& node) {
            const Node *step = node.find("step"), *time = node.find("time"), *lr = node.find("lr");
            if (!step || !step->is_int() || !time || !time->is_int() || !lr || !lr->is_list())
                throw Error("the learning rate that was last applied is damaged");
            Applied applied{{step->as_int(), time->as_int()}, {}};
            for (const Node& rate : lr->items())
                if (rate.is_number()) applied.rates.push_back(rate.as_float());
            return applied;
        }
    };

    static std::string in_short(double value) {
        char text[32];
        constexpr int digits = 6;
        const auto end =
            std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits);
        return {text, end.ptr};
    }

    static std::string of(const std::string& optimizer) {
        return optimizer.empty() ? "" : " " + optimizer;
    }

    /// What is wrong with a schedule in view of the run is a mistake of the configuration.
    [[noreturn]] void refuse(const Error& error) const {
        const auto* mistake = dynamic_cast<const ConfigError*>(&error);
        std::vector<Problem> problems =
            mistake ? mistake->problems() : std::vector<Problem>{{{}, error.what()}};
        for (Problem& problem : problems)
            if (problem.place.str().empty()) problem.place = schedule_place_;
        throw ConfigError(std::move(problems));
    }

    void warn_of_mode(Run& run) const {
        const std::optional<bool> own = scheduler_->greater_is_better(), told = monitor_.told();
        if (own && told && *own != *told && run.is_main())
            log_warning(schedule_place_.str(), ": the mode of ", schedule_name_,
                        " is followed, but ", *told ? "more" : "less", " of \"", monitor_.name(),
                        "\" is better, as its metric says");
    }

    void warn_of_long_warm_up(Run& run) const {
        const int64_t total = run.progress().total_steps;
        if (warm_up_steps_ >= total && total > 0 && warm_up_steps_ > 0)
            log_warning("the warm-up takes ", warm_up_steps_,
                        " optimizer steps, and the whole run has ", total,
                        ": it never comes to the learning rate of ", schedule_name_);
    }

    /// The configured rate of each optimizer that has one.
    std::vector<double> configured_rates(Run& run) const {
        std::vector<double> rates;
        for (const auto& [name, optimizer] : run.optimizers())
            for (const ParamGroup& group : optimizer->groups()) {
                const double rate = configured_rate(group);
                if (rate == 0 || group.lr_mult == 0) continue;
                if (std::find(rates.begin(), rates.end(), rate) == rates.end())
                    rates.push_back(rate);
                break;
            }
        return rates;
    }

    void warn_of_rates(Run& run) const {
        for (const double rate : configured_rates(run))
            for (const std::string& doubt : doubtful_rates(schedule_, rate))
                log_warning(schedule_place_.str(), ": ", schedule_name_, ": ", doubt);
    }

    /// A schedule whose changes lie beyond the end of the run.
    void warn_if_never(Run& run) const {
        if (scheduler_->needs_metric()) return warn_of_patience(run);
        const int64_t total = length(run.progress());
        if (total < 2 || warm_up_steps_ > 0) return;  // there the warm-up is what is wanted
        double first = 0;
        for (const double rate : configured_rates(run)) {
            first = scheduler_->lr(rate, 0);
            for (int64_t t = 1; t < total; ++t)
                if (scheduler_->lr(rate, t) != first) return;
        }
        if (first == 0) return;  // that is told already
        warn_of_no_effect(
            run, schedule_place_,
            concat(schedule_name_, " gives the same learning rate, ", in_short(first),
                   ", in the whole run, of ", total, by_epoch_ ? " epochs" : " optimizer steps",
                   ": what it would change comes later, or is no change"));
    }

    /// One evaluation is the best, those that are let pass follow, and then one more.
    void warn_of_patience(Run& run) const {
        const Node* patience = schedule_.find("patience");
        const auto evaluations = most_evaluations(run, monitor_.phase());
        if (!patience || !patience->is_int() || !evaluations || *evaluations < 2 ||
            *evaluations > patience->as_int() + 1)
            return;
        warn_of_no_effect(
            run, schedule_place_,
            concat(schedule_name_, " never changes the learning rate: its patience is ",
                   patience->as_int(), ", and there are ",
                   evaluations_in_words(*evaluations, monitor_.phase())));
    }

    void evaluated(Phase phase) {
        to_observe_ = to_observe_ || (scheduler_->needs_metric() && phase == monitor_.phase());
    }
    void observe(Run& run) {
        if (!to_observe_) return;
        const int64_t now = time(run.progress());
        const bool moved = stands_still(run, now).empty();
        scheduler_->observe(monitor_.value(run));
        to_observe_ = false;
        if (moved && run.is_main()) warn_of_standstill(run, now);
    }

    int64_t time(const Progress& progress) const {
        return by_epoch_ ? progress.epoch : progress.step;
    }
    Moment moment(const Progress& progress) const { return {progress.step, time(progress)}; }
    int64_t length(const Progress& progress) const {
        return by_epoch_ ? progress.total_epochs : progress.total_steps;
    }

    /// The learning rate and the momentum follow from the time alone (and from the results that the
    /// schedule has observed).
    void apply(Run& run) {
        const Moment now = moment(run.progress());
        if (loaded_) tell_jumps(run, *std::exchange(loaded_, std::nullopt), now);
        applied_.moment = now;
        applied_.rates.clear();
        for (auto& [name, optimizer] : run.optimizers())
            applied_.rates.push_back(apply(*optimizer, now));
    }
    /// Returns the rate without multipliers.
    double apply(Optimizer& optimizer, const Moment& now) const {
        for (ParamGroup& group : optimizer.groups()) {
            group.lr = rate(group, now);
            if (const auto initial = group.initial_momentum)
                group.momentum = scheduler_->momentum(*initial, now.time).value_or(*initial);
        }
        return optimizer.scheduled_lr();
    }

    /// The configured rate that the schedule is asked for: without the group's multiplier, which
    /// holds for all rates of the schedule, those that it names itself (max_lr, eta_min) too.
    static double configured_rate(const ParamGroup& group) {
        const double own = group.followed_lr.value_or(group.initial_lr);
        return group.lr_mult == 0 ? own : own / group.lr_mult;
    }
    double rate(const ParamGroup& group, const Moment& now) const {
        const double configured = configured_rate(group);
        const double scheduled =
            warm_up_.factor(now.step, warm_up_steps_) * scheduler_->lr(configured, now.time);
        return group.followed_lr ? group.initial_lr * (scheduled / configured)
                                 : group.lr_mult * scheduled;
    }

    /// A schedule that is not the checkpoint's (a longer cosine) gives another rate for the step
    /// that was last taken: then the next one jumps.
    void tell_jumps(Run& run, const Applied& last, const Moment& next) const {
        if (scheduler_->needs_metric()) return;  // it may have observed a result since that step
        size_t index = 0;
        for (auto& [name, optimizer] : run.optimizers()) {
            if (index >= last.rates.size()) return;
            const double before = last.rates[index++];
            const double again = apply(*optimizer, last.moment);
            constexpr double rounding = 1e-9;
            if (std::abs(again - before) <= rounding * std::abs(before) || !run.is_main()) continue;
            log_warning(schedule_place_.str(), ": the learning rate", of(name), " jumps from ",
                        in_short(before), ", that of the checkpoint's last step, to ",
                        in_short(apply(*optimizer, next)), ": for that last step ", schedule_name_,
                        " as it is now gives ", in_short(again));
        }
    }

    /// From when on the schedule leaves the learning rate at 0 until the run ends: "step 12 of 40",
    /// or "" if it does not. Looks from `begin` on.
    std::string stands_still(Run& run, int64_t begin) const {
        const int64_t total = length(run.progress());
        for (const auto& [name, optimizer] : run.optimizers())
            for (const ParamGroup& group : optimizer->groups()) {
                const double configured = configured_rate(group);
                if (configured == 0 || group.lr_mult == 0) continue;
                int64_t t = total;
                while (t > begin && scheduler_->lr(configured, t - 1) == 0) --t;
                if (t < total) return concat(by_epoch_ ? "epoch " : "step ", t + 1, " of ", total);
                break;
            }
        return "";
    }

    void warn_of_standstill(Run& run, int64_t begin) const {
        const std::string from = stands_still(run, begin);
        if (!from.empty())
            log_warning(schedule_place_.str(), ": ", schedule_name_,
                        " leaves the learning rate at 0 from ", from,
                        " to the end of the run: nothing is learned there. Make the schedule as "
                        "long as the run, or give it a lowest rate above 0");
    }

    /// A schedule that cannot tell a learning rate ends the run here.
    void check_rates(Run& run) const {
        const Moment now = moment(run.progress());
        for (const auto& [name, optimizer] : run.optimizers())
            for (const ParamGroup& group : optimizer->groups()) (void)rate(group, now);
    }

    /// A schedule that moves the momentum, at whatever time, needs optimizers that have one.
    void check_momentum(Run& run) const {
        const int64_t total = length(run.progress());
        int64_t t = 0;
        while (t < total && !scheduler_->momentum(0, t)) ++t;
        if (t == total) return;
        for (const auto& [name, optimizer] : run.optimizers()) {
            const auto& groups = optimizer->groups();
            if (std::none_of(groups.begin(), groups.end(), [](const ParamGroup& group) {
                    return group.initial_momentum.has_value();
                }))
                throw Error(concat(schedule_name_, " moves the momentum, and the optimizer",
                                   of(name),
                                   " has none. Give it one, or set cycle_momentum: "
                                   "false"));
        }
    }

    const std::shared_ptr<LrScheduler> scheduler_;
    const std::string schedule_name_;
    const Place schedule_place_;
    const Node schedule_;
    ResultName result_;
    const WarmUp warm_up_;
    const bool by_epoch_;
    Monitor monitor_{result_, Phase::val};
    int64_t warm_up_steps_ = 0;
    bool in_training_ = false;
    bool begins_anew_ = false;       // looks for the best of another result than before
    Applied applied_;                // empty before the first step
    std::optional<Applied> loaded_;  // of the checkpoint that the run goes on from
    bool to_observe_ = false;  // the phase has ended, and the schedule does not know its result
};

}  // namespace

AILAB_REGISTER_HOOK(LrSchedulerHook,
                    "Sets the learning rate (and momentum) of every optimizer (priority 30)")

}  // namespace ailab
