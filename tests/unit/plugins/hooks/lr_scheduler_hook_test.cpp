#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Numbers = std::vector<double>;

/// Two groups with learning rates 1 and 10, and momentum 0.9 if wanted.
struct RatesOptimizer final : Optimizer {
    explicit RatesOptimizer(std::optional<double> momentum = {}) {
        for (const double lr : {1.0, 10.0})
            add_group(
                {.lr = lr, .initial_lr = lr, .momentum = momentum, .initial_momentum = momentum});
    }
    double default_lr() const override { return 1; }
    void step(const Tensor&, const Tensor&) override {}
};

std::shared_ptr<Hook> make_scheduler_hook(const std::string& options) {
    return make<Hook>(R"({"type": "LrSchedulerHook", )" + options + "}");
}

/// What a group has in each iteration.
struct Trace {
    std::vector<Numbers> lr;  // of both groups
    Numbers first_lr;
    Numbers momentum;
};

class LrSchedulerHookTest : public HookTest {
  protected:
    struct Length {
        int64_t epochs = 2;
        int64_t iters = 2;  // of an epoch
        bool by_iter = false;
    };
    /// Trains from `epoch` on.
    Trace trace(const std::string& options, const Length& length, int64_t epoch = 0,
                std::optional<double> momentum = {}) {
        Trace trace;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            const auto hook = make_scheduler_hook(options);
            FakeRun run(comm, folder_);
            const auto optimizer = std::make_shared<RatesOptimizer>(momentum);
            run.optimizers()[""] = optimizer;
            run.now.total_epochs = length.by_iter ? 0 : length.epochs;
            run.now.total_steps = length.epochs * length.iters;
            run.now.epoch = epoch;
            run.now.step = epoch * length.iters;
            hook->before_run(run);
            for (; run.now.epoch < length.epochs; ++run.now.epoch) {
                hook->before_train_epoch(run);
                for (int64_t i = 0; i < length.iters; ++i) {
                    hook->before_train_iter(run);
                    const auto& groups = optimizer->groups();
                    trace.lr.push_back({groups[0].lr, groups[1].lr});
                    trace.first_lr.push_back(groups[0].lr);
                    trace.momentum.push_back(groups[0].momentum.value_or(-1));
                    ++run.now.step;
                }
            }
        });
        EXPECT_EQ(errors[0], "") << options;
        return trace;
    }
    std::string error(const std::string& options, const Length& length,
                      std::optional<double> momentum = {}) {
        return run_ranks(1, [&](ThreadComm& comm) {
            const auto hook = make_scheduler_hook(options);
            FakeRun run(comm, folder_);
            run.optimizers()["main"] = std::make_shared<RatesOptimizer>(momentum);
            run.now.total_epochs = length.by_iter ? 0 : length.epochs;
            run.now.total_steps = length.epochs * length.iters;
            hook->before_run(run);
        })[0];
    }
};

TEST_F(LrSchedulerHookTest, CountsEpochsOrSteps) {
    using Rates = std::vector<Numbers>;
    const std::string step = R"("scheduler": {"type": "StepLR", "step_size": 1, "gamma": 0.5})";
    EXPECT_EQ(trace(step, {}).lr, (Rates{{1, 10}, {1, 10}, {0.5, 5}, {0.5, 5}}));
    EXPECT_EQ(trace(R"("by": "iter", )" + step, {}).lr,
              (Rates{{1, 10}, {0.5, 5}, {0.25, 2.5}, {0.125, 1.25}}));
    // The length of the run in the unit that is counted.
    const std::string cosine = R"("scheduler": {"type": "CosineAnnealingLR"})";
    EXPECT_NEAR(trace(cosine, {}).first_lr[2], 0.5, 1e-15);
    EXPECT_NEAR(trace(R"("by": "iter", )" + cosine, {}).first_lr[2], 0.5, 1e-15);
}

// The line that is logged at the end of an epoch has the rate of the epoch's last step, also when
// the run was stopped after that step and goes on.
TEST_F(LrSchedulerHookTest, KeepsTheRateOfTheLastStepWhenAnEpochIsOnlyToBeEnded) {
    const std::string step = R"("scheduler": {"type": "StepLR", "step_size": 1, "gamma": 0.5})";
    const std::string warmed = step + R"(, "warmup": "linear", "warmup_iters": 8)";
    for (const std::string& options : {R"("by": "iter", )" + step, warmed}) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            const auto hook = make_scheduler_hook(options);
            FakeRun run(comm, folder_);
            const auto optimizer = std::make_shared<RatesOptimizer>();
            optimizer->groups()[0].lr = 0.77;  // as the checkpoint has it
            run.optimizers()[""] = optimizer;
            run.now.total_epochs = 2;
            run.now.total_steps = 4;
            run.resumed = "checkpoints/iter_2";
            run.now.step = run.now.train_iter = run.now.iter = run.now.iters = 2;
            hook->before_run(run);
            hook->after_load_checkpoint(run, run.resumed);
            hook->before_train_epoch(run);
            EXPECT_EQ(optimizer->groups()[0].lr, 0.77) << options;
            run.now.iter = 0;
            run.now.epoch = 1;
            hook->before_train_epoch(run);
            hook->before_train_iter(run);
            EXPECT_NE(optimizer->groups()[0].lr, 0.77) << options;
        });
        EXPECT_EQ(errors[0], "");
    }
}

// MMCV's numbers: a factor of what the schedule gives.
TEST_F(LrSchedulerHookTest, WarmsUp) {
    const std::string constant = R"("scheduler": {"type": "StepLR", "step_size": 100}, )";
    const std::string halves = R"("scheduler": {"type": "StepLR", "step_size": 1, "gamma": 0.5}, )";
    struct Case {
        std::string options;
        Numbers expected;
    };
    const std::vector<Case> table = {
        {constant + R"("warmup": null)", {1, 1, 1, 1, 1, 1}},
        {constant + R"("warmup": "constant", "warmup_iters": 2)", {0.1, 0.1, 1, 1, 1, 1}},
        {constant + R"("warmup": "linear", "warmup_iters": 4, "warmup_ratio": 0.2)",
         {0.2, 0.4, 0.6, 0.8, 1, 1}},
        {constant + R"("warmup": "exp", "warmup_iters": 2, "warmup_ratio": 0.01)",
         {0.01, 0.1, 1, 1, 1, 1}},
        {constant + R"("warmup": "linear", "warmup_iters": 1, "warmup_ratio": 0.5,
                       "warmup_by_epoch": true)",
         {0.5, 0.75, 1, 1, 1, 1}},
        {halves + R"("warmup": "linear", "warmup_iters": 4, "warmup_ratio": 0.2)",
         {0.2, 0.4, 0.3, 0.4, 0.25, 0.25}},
        {halves + R"("by": "iter", "warmup": "constant", "warmup_iters": 2, "warmup_ratio": 0.5)",
         {0.5, 0.25, 0.25, 0.125, 0.0625, 0.03125}},
    };
    for (const Case& c : table) {
        const Numbers rates = trace(c.options, {.epochs = 3}).first_lr;
        ASSERT_EQ(rates.size(), c.expected.size());
        for (size_t i = 0; i < rates.size(); ++i)
            EXPECT_NEAR(rates[i], c.expected[i], 1e-15) << c.options << " at " << i;
    }
}

TEST_F(LrSchedulerHookTest, GoesOnFromAnyEpoch) {
    const std::string options =
        R"("by": "iter", "scheduler": {"type": "OneCycleLR"}, "warmup": "linear", "warmup_iters": 9)";
    const Length length{.epochs = 4, .iters = 4};
    const Trace whole = trace(options, length, 0, 0.9);
    for (int64_t epoch = 1; epoch < length.epochs; ++epoch) {
        const Trace rest = trace(options, length, epoch, 0.9);
        const auto from = whole.first_lr.begin() + epoch * length.iters;
        EXPECT_EQ(rest.first_lr, Numbers(from, whole.first_lr.end()));
        EXPECT_EQ(rest.momentum,
                  Numbers(whole.momentum.begin() + epoch * length.iters, whole.momentum.end()));
    }
}

TEST_F(LrSchedulerHookTest, MovesTheMomentumAndPutsItBack) {
    const std::string options = R"("scheduler": {"type": "SequentialLR", "milestones": [1, 3],
        "schedulers": [{"type": "ConstantLR"}, {"type": "OneCycleLR", "pct_start": 0.5},
                       {"type": "ConstantLR"}]})";
    EXPECT_EQ(trace(options, {.epochs = 4, .iters = 1}, 0, 0.9).momentum,
              (Numbers{0.9, 0.85, 0.95, 0.9}));
    EXPECT_EQ(trace(R"("scheduler": {"type": "ConstantLR"})", {.epochs = 1}).momentum,
              (Numbers{-1, -1}))
        << "there is none";
}

TEST_F(LrSchedulerHookTest, RefusesWhatItCannotDo) {
    const std::vector<std::tuple<std::string, Length, std::string>> table = {
        {R"("scheduler": {"type": "CosineAnnealingLR"})",
         {.by_iter = true},
         "test: CosineAnnealingLR needs T_max: the length of the run is not known"},
        {R"("scheduler": {"type": "ConstantLR"}, "warmup": "linear", "warmup_iters": 1,
            "warmup_by_epoch": true)",
         {.by_iter = true},
         "test: warmup_by_epoch: the run counts iterations. Give warmup_iters in optimizer steps"},
        {R"("scheduler": {"type": "OneCycleLR"})",
         {},
         "test: OneCycleLR moves the momentum, and the optimizer main has none. Give it one, or "
         "set "
         "cycle_momentum: false"},
        // Not only at the start.
        {R"("scheduler": {"type": "SequentialLR", "milestones": [1], "schedulers": [
            {"type": "ConstantLR"}, {"type": "CyclicLR", "max_lr": 1}]})",
         {},
         "test: SequentialLR moves the momentum, and the optimizer main has none. Give it one, or "
         "set "
         "cycle_momentum: false"},
        {R"("scheduler": {"type": "OneCycleLR", "cycle_momentum": false})", {}, ""},
        {R"("scheduler": {"type": "OneCycleLR", "total_steps": 1, "cycle_momentum": false})",
         {},
         "test: OneCycleLR is over after total_steps 1, and the run goes on to 2. Leave "
         "total_steps "
         "out: then the cycle is as long as the run"},
    };
    for (const auto& [options, length, expected] : table)
        EXPECT_EQ(error(options, length), expected) << options;
    EXPECT_EQ(error(R"("scheduler": {"type": "OneCycleLR"})", {}, 0.9), "");
}

// Nothing to refuse, but hardly meant.
TEST_F(LrSchedulerHookTest, WarnsOfAWarmUpThatNeverEnds) {
    std::vector<std::string> said;
    log_through([&](const std::string& lines) { said.push_back(lines); });
    const std::string scheduler = R"("scheduler": {"type": "ConstantLR"})";
    const auto warm_up = [&](int64_t steps) {
        said.clear();
        EXPECT_EQ(error(concat(scheduler, R"(, "warmup": "linear", "warmup_iters": )", steps), {}),
                  "");
        return join(said);
    };
    EXPECT_EQ(warm_up(3), "") << "of 4 steps";
    const std::string warning = warm_up(5);
    EXPECT_TRUE(test::contains(warning,
                               "the warm-up takes 5 optimizer steps, and the whole run has 4: it "
                               "never comes to the learning rate of ConstantLR"))
        << warning;
    log_through({});
}

TEST_F(LrSchedulerHookTest, ChecksItsOptions) {
    const std::string scheduler = R"("scheduler": {"type": "ConstantLR"})";
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"("by": "epoch")", "needs the option \"scheduler\""},
        {scheduler + R"(, "by": "step")", "one of epoch, iter"},
        {scheduler + R"(, "warmup": "cosine", "warmup_iters": 1)", "one of linear, exp, constant"},
        {scheduler + R"(, "warmup": "linear")", "warmup needs warmup_iters, its length"},
        {scheduler + R"(, "warmup_iters": 5)",
         "warmup_iters needs warmup: linear, exp or constant"},
        {scheduler + R"(, "warmup": "exp", "warmup_iters": -1)", "between 0 and"},
        {scheduler + R"(, "warmup": "exp", "warmup_iters": 1, "warmup_ratio": 0)", "above 0"},
        {scheduler + R"(, "warmup": "exp", "warmup_iters": 1, "warmup_ratio": 1.5)", "at most 1"},
        {scheduler + R"(, "monitor": ["loss"])", "string"},
        {R"("scheduler": {"type": "StepLR"})", "step_size"},
    };
    for (const auto& [options, part] : table) {
        EXPECT_THROW(make_scheduler_hook(options), ConfigError) << options;
        const std::string text = error_of([&, o = options] { make_scheduler_hook(o); });
        EXPECT_TRUE(test::contains(text, part)) << text;
    }
}

// ---- ReduceLROnPlateau

const std::string plateau = R"("scheduler": {"type": "ReduceLROnPlateau", "patience": 0})";

TEST_F(LrSchedulerHookTest, ChecksTheMonitor) {
    struct Case {
        std::string options;
        std::vector<Phase> phases;
        std::map<Phase, std::vector<std::string>> results;
        std::string expected;
    };
    const std::vector<Phase> both = {Phase::train, Phase::val};
    const std::vector<Case> table = {
        {plateau, both, {{Phase::val, {"loss", "top1"}}}, ""},
        {plateau + R"(, "monitor": "top1")", both, {{Phase::val, {"loss", "top1"}}}, ""},
        {plateau + R"(, "monitor": "top_1")",
         both,
         {{Phase::val, {"loss", "top1"}}},
         "test: the phase val has no result \"top_1\"; did you mean \"top1\"? It has: loss, top1."},
        {plateau + R"(, "monitor": "accuracy")",
         both,
         {{Phase::val, {"loss"}}, {Phase::train, {"accuracy"}}},
         "test: the phase val has no result \"accuracy\". It has: loss."},
        // Without validation, what training gives.
        {plateau, {Phase::train}, {{Phase::train, {"loss"}}}, ""},
        {plateau + R"(, "monitor": "top1")",
         {Phase::train},
         {{Phase::train, {"loss"}}},
         "test: the phase train has no result \"top1\". It has: loss."},
        {plateau,
         {Phase::train},
         {{Phase::train, {}}},
         "test: ReduceLROnPlateau follows a result of the val phase (loss), which the workflow "
         "does "
         "not have. Add it and data.val, or a metric with phases: [train], and name that as "
         "monitor."},
        // Not known.
        {plateau + R"(, "monitor": "anything")", both, {{Phase::val, {}}}, ""},
        {plateau + R"(, "monitor": "anything")", both, {}, ""},
        // Not used.
        {R"("scheduler": {"type": "ConstantLR"}, "monitor": "x")",
         both,
         {{Phase::val, {"loss"}}},
         ""},
    };
    for (const Case& c : table) {
        Problems problems;
        make_scheduler_hook(c.options)->check({.phases = c.phases, .results = c.results}, problems);
        EXPECT_EQ(error_of([&] { problems.check(); }), c.expected) << c.options;
    }
}

class PlateauTest : public LrSchedulerHookTest {
  protected:
    /// Trains an epoch; returns its learning rate.
    static double train(Hook& hook, FakeRun& run) {
        run.now.phase = Phase::train;
        hook.before_train_epoch(run);
        const double lr = run.optimizers().at("")->groups()[0].lr;
        hook.after_train_epoch(run);
        ++run.now.epoch;
        return lr;
    }
    /// A validation whose metrics are published after this hook was called.
    static void validate(Hook& hook, FakeRun& run, double value) {
        run.now.phase = Phase::val;
        run.published.clear();
        hook.before_val_epoch(run);
        hook.after_val_epoch(run);
        run.publish("top1", value);
        hook.after_results(run, Phase::val);
    }
    static constexpr const char* options =
        R"("monitor": "top1", "scheduler": {"type": "ReduceLROnPlateau", "mode": "max",
            "patience": 0, "factor": 0.5})";
};

TEST_F(PlateauTest, FollowsTheValidation) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        const auto hook = make_scheduler_hook(options);
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<RatesOptimizer>();
        hook->before_run(run);
        Numbers rates;
        for (const double value : {0.5, 0.6, 0.6, 0.7, 0.1}) {
            rates.push_back(train(*hook, run));
            validate(*hook, run, value);
        }
        rates.push_back(train(*hook, run));
        rates.push_back(train(*hook, run));  // no validation in between
        EXPECT_EQ(rates, (Numbers{1, 1, 1, 0.5, 0.5, 0.25, 0.25}));

        run.now.phase = Phase::val;
        run.published.clear();
        hook->after_val_epoch(run);
        EXPECT_EQ(error_of([&] { hook->after_results(run, Phase::val); }),
                  "the phase val has no result \"top1\".");
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(PlateauTest, FollowsTheTrainingWithoutAValidation) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        const auto hook = make_scheduler_hook(options);
        Problems problems;
        hook->check({.phases = {Phase::train}}, problems);
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<RatesOptimizer>();
        hook->before_run(run);
        Numbers rates;
        for (const double value : {0.5, 0.4, 0.6}) {
            rates.push_back(train(*hook, run));
            run.published[Phase::train] = {{"top1", value}};
            hook->after_results(run, Phase::train);
        }
        rates.push_back(train(*hook, run));
        EXPECT_EQ(rates, (Numbers{1, 1, 0.5, 0.5}));
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(PlateauTest, SavesWhatItHasSeen) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        const auto hook = make_scheduler_hook(options);
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<RatesOptimizer>();
        hook->before_run(run);
        for (const double value : {0.5, 0.4, 0.3}) {
            train(*hook, run);
            validate(*hook, run, value);
        }
        hook->before_save_checkpoint(run, "");  // by a hook that runs after the metrics' one
        const State state = hook->save_state();

        FakeRun later(comm, folder_);
        later.optimizers()[""] = std::make_shared<RatesOptimizer>();
        const auto resumed = make_scheduler_hook(options);
        resumed->load_state(state);
        resumed->before_run(later);
        EXPECT_EQ(train(*resumed, later), 0.25);
        EXPECT_EQ(train(*hook, run), 0.25) << "a value counts once";

        // A checkpoint of a run with a schedule that has no state.
        const auto anew = make_scheduler_hook(options);
        anew->load_state(
            make_scheduler_hook(R"("scheduler": {"type": "ConstantLR"})")->save_state());
        FakeRun another(comm, folder_);
        another.optimizers()[""] = std::make_shared<RatesOptimizer>();
        anew->before_run(another);
        EXPECT_EQ(train(*anew, another), 1);

        // Taken back in the middle of an epoch.
        validate(*hook, run, 0.2);
        EXPECT_EQ(train(*hook, run), 0.125);
        hook->load_state(state);
        hook->after_load_checkpoint(run, "");
        EXPECT_EQ(run.optimizers().at("")->groups()[0].lr, 0.25);
    });
    EXPECT_EQ(errors[0], "");
}

}  // namespace
}  // namespace ailab
