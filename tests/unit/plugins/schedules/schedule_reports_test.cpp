// What LrSchedulerHook says of a schedule, and how it moves groups that follow another rate.
#include "plugins/fake_run.hpp"
#include "plugins/optim/optimizer_problem.hpp"

namespace ailab {
namespace {

using test::contains;
using test::FakeRun;
using test::LoggedHookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

struct OneRate final : Optimizer {
    explicit OneRate(double lr = 1) { add_group({.lr = lr, .initial_lr = lr}); }
    double default_lr() const override { return 1; }
    void step(const Tensor&, const Tensor&) override {}
};

std::shared_ptr<Hook> scheduler_hook(const std::string& options) {
    return make<Hook>(R"({"type": "LrSchedulerHook", )" + options + "}");
}

class ScheduleReports : public LoggedHookTest {
  protected:
    struct Length {
        int64_t epochs = 10, iters = 4;
    };
    /// A run after `epoch` epochs.
    static void place(FakeRun& run, const Length& length, int64_t epoch = 0) {
        run.now.total_epochs = length.epochs;
        run.now.total_steps = length.epochs * length.iters;
        run.now.epoch = epoch;
        run.now.step = epoch * length.iters;
    }
    /// Trains whole epochs from where the run is.
    static void train(Hook& hook, FakeRun& run, const Length& length, int64_t epochs) {
        for (; epochs > 0; --epochs, ++run.now.epoch) {
            hook.before_train_epoch(run);
            for (int64_t i = 0; i < length.iters; ++i, ++run.now.step) hook.before_train_iter(run);
        }
    }
    std::string said() { return std::exchange(said_, {}); }
};

TEST_F(ScheduleReports, WarnOfARateThatStaysAtZero) {
    struct Case {
        std::string options;
        std::string from;  // "" for no warning
    };
    const auto scheduler = [](const std::string& json) { return R"("scheduler": )" + json; };
    const std::string by_iter = R"(, "by": "iter")";
    const std::vector<Case> table = {
        {scheduler(R"({"type": "PolynomialLR"})"), ""},
        {scheduler(R"({"type": "PolynomialLR"})") + by_iter, ""},
        {scheduler(R"({"type": "PolynomialLR", "total_iters": 5})"), "epoch 6 of 10"},
        {scheduler(R"({"type": "PolynomialLR", "total_iters": 5})") + by_iter, "step 6 of 40"},
        {scheduler(R"({"type": "LinearLR", "end_factor": 0})"), "epoch 6 of 10"},
        {scheduler(R"({"type": "LinearLR"})"), ""},
        {scheduler(R"({"type": "ConstantLR", "factor": 0})"), ""},
        {scheduler(R"({"type": "StepLR", "step_size": 7, "gamma": 0})"), "epoch 8 of 10"},
        {scheduler(R"({"type": "CosineAnnealingLR"})"), ""},
        {scheduler(R"({"type": "CosineAnnealingLR", "T_max": 9})"), "epoch 10 of 10"},
        {scheduler(R"({"type": "CosineAnnealingLR", "T_max": 8})"), ""},
        {scheduler(R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 0,
                       "total_steps": 5})"),
         "epoch 6 of 10"},
        {scheduler(R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 0,
                       "total_steps": 5, "eta_min": 0.1})"),
         ""},
        {scheduler(R"({"type": "SequentialLR", "milestones": [2], "schedulers": [
                       {"type": "ConstantLR"}, {"type": "PolynomialLR"}]})"),
         ""},
        {scheduler(R"({"type": "SequentialLR", "milestones": [2], "schedulers": [
                       {"type": "ConstantLR"}, {"type": "PolynomialLR", "total_iters": 3}]})"),
         "epoch 6 of 10"},
        {scheduler(R"({"type": "ChainedScheduler", "schedulers": [
                       {"type": "PolynomialLR", "total_iters": 4}]})"),
         "epoch 5 of 10"},
    };
    for (const Case& c : table) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.optimizers()[""] = std::make_shared<OneRate>();
            place(run, {});
            scheduler_hook(c.options)->before_run(run);
        });
        EXPECT_EQ(errors[0], "");
        const std::string warning = said();
        if (c.from.empty())
            EXPECT_EQ(warning, "") << c.options;
        else
            EXPECT_TRUE(contains(warning, concat("leaves the learning rate at 0 from ", c.from,
                                                 " to the end of the run")))
                << c.options << warning;
    }
}

// 10 epochs of 40 iterations, of which 4 make a step.
TEST_F(ScheduleReports, WarnOfATimeThatCannotBeMeantInWhatIsCounted) {
    struct Case {
        std::string schedule, by;
        std::string said;  // "" for no warning
    };
    const std::vector<Case> table = {
        {R"({"type": "PolynomialLR", "total_iters": 100})", "epoch",
         "PolynomialLR: total_iters 100 is understood as epochs, of which the run has 10 (and as "
         "many optimizer steps as that). by: iter counts optimizer steps, 100 in all"},
        {R"({"type": "PolynomialLR", "total_iters": 400})", "epoch",
         "of which the run has 10 (and as many iterations as that)."},
        {R"({"type": "StepLR", "step_size": 150})", "epoch",
         "step_size 150 is understood as epochs"},
        {R"({"type": "StepLR", "step_size": 30})", "epoch", ""},
        {R"({"type": "MultiStepLR", "milestones": [6, 500, 600]})", "epoch",
         "milestones 500 is understood as epochs, of which the run has 10. by: iter"},
        {R"({"type": "CyclicLR", "max_lr": 1, "cycle_momentum": false})", "epoch",
         "step_size_up 2000 is understood as epochs"},
        {R"({"type": "CosineAnnealingLR", "T_max": 12})", "epoch", ""},
        {R"({"type": "SequentialLR", "milestones": [2], "schedulers": [
             {"type": "ConstantLR"}, {"type": "CosineAnnealingLR", "T_max": 98000}]})",
         "epoch", "SequentialLR: T_max 98000 is understood as epochs"},
        {R"({"type": "CosineAnnealingLR", "T_max": 10})", "iter",
         "CosineAnnealingLR: T_max 10 is understood as optimizer steps, of which the run has 100 "
         "(and as many epochs as that). by: epoch counts epochs"},
        {R"({"type": "CosineAnnealingLR", "T_max": 400})", "iter",
         "(and as many iterations as that, of which accumulative_counts make one step)"},
        {R"({"type": "CosineAnnealingLR", "T_max": 100})", "iter", ""},
        {R"({"type": "StepLR", "step_size": 10})", "iter", ""},
        {R"({"type": "LinearLR", "total_iters": 10})", "iter", ""},
    };
    for (const Case& c : table) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.optimizers()[""] = std::make_shared<OneRate>();
            place(run, {.epochs = 10, .iters = 10});
            run.now.total_train_iters = 400;
            scheduler_hook(concat(R"("by": ")", c.by, R"(", "scheduler": )", c.schedule))
                ->before_run(run);
        });
        EXPECT_EQ(errors[0], "");
        const std::string warning = said();
        if (c.said.empty())
            EXPECT_EQ(warning.find("is understood as"), std::string::npos) << c.schedule << warning;
        else
            EXPECT_TRUE(contains(warning, c.said)) << c.schedule << warning;
    }
}

TEST_F(ScheduleReports, WarnWhereARateIsReducedToZero) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<OneRate>();
        place(run, {});
        const auto hook = scheduler_hook(
            R"("scheduler": {"type": "ReduceLROnPlateau", "factor": 0, "patience": 0})");
        hook->before_run(run);
        for (const double loss : {1.0, 2.0}) {
            train(*hook, run, {}, 1);
            EXPECT_EQ(said(), "");
            run.published[Phase::val] = {{"loss", loss}};
            hook->after_val_epoch(run);
            hook->after_results(run, Phase::val);
        }
        train(*hook, run, {}, 2);
        EXPECT_EQ(run.optimizers()[""]->groups()[0].lr, 0);
    });
    EXPECT_EQ(errors[0], "");
    const std::string warning = said();
    EXPECT_TRUE(contains(warning, "ReduceLROnPlateau leaves the learning rate at 0 from epoch"))
        << warning;
    EXPECT_EQ(warning.find("leaves"), warning.rfind("leaves")) << "once";
}

TEST_F(ScheduleReports, SayFromWhatToWhatALongerScheduleJumps) {
    const std::string cosine = R"("scheduler": {"type": "CosineAnnealingLR"})";
    struct Case {
        std::string before, now;
        Length length;  // of the run that goes on
        std::string expected;
    };
    const std::vector<Case> table = {
        {cosine, cosine, {}, ""},
        // Half-way, and the schedule of 20 epochs is at a quarter.
        {cosine,
         cosine,
         {.epochs = 20},
         "jumps from 0.654508, that of the checkpoint's last step, to 0.853553:"},
        {cosine + R"(, "by": "iter")", cosine + R"(, "by": "iter")", {}, ""},
        {cosine + R"(, "by": "iter")",
         cosine + R"(, "by": "iter")",
         {.epochs = 20},
         "jumps from 0.53923, that of the checkpoint's last step, to 0.853553:"},
        // At the same height now.
        {R"("scheduler": {"type": "StepLR", "step_size": 3, "gamma": 0.5})",
         R"("scheduler": {"type": "StepLR", "step_size": 4, "gamma": 0.5})",
         {},
         ""},
        {R"("scheduler": {"type": "StepLR", "step_size": 3, "gamma": 0.5})",
         R"("scheduler": {"type": "StepLR", "step_size": 30, "gamma": 0.5})",
         {},
         "jumps from 0.5"},
    };
    for (const Case& c : table) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.optimizers()[""] = std::make_shared<OneRate>();
            place(run, {});
            const auto hook = scheduler_hook(c.before);
            hook->before_run(run);
            train(*hook, run, {}, 5);
            const State state = hook->save_state();
            EXPECT_EQ(said(), "");

            FakeRun later(comm, folder_);
            later.optimizers()[""] = std::make_shared<OneRate>();
            later.resumed = "checkpoints/epoch_5";
            place(later, c.length, 4);  // an evaluation of the last epoch may be left
            later.now.step += c.length.iters;
            const auto resumed = scheduler_hook(c.now);
            resumed->load_state(state);
            resumed->before_run(later);
            resumed->after_load_checkpoint(later, later.resumed);
            ++later.now.epoch;
            train(*resumed, later, c.length, 1);
        });
        EXPECT_EQ(errors[0], "");
        const std::string warning = said();
        if (c.expected.empty())
            EXPECT_EQ(warning, "") << c.now;
        else
            EXPECT_TRUE(contains(warning, c.expected)) << warning;
    }
}

// Muon's adamw_lr is scheduled as its lr is, whatever the two are.
TEST_F(ScheduleReports, AreOfRatesThatFollowEachOther) {
    struct Case {
        std::string muon;
        std::string schedule;
        double matrix, vector;  // in the third of four epochs
    };
    const std::string step = R"({"type": "StepLR", "step_size": 1, "gamma": 0.5})";
    // Not a multiple of the rate: the other one goes in proportion.
    const std::string cycle = R"({"type": "CyclicLR", "max_lr": 1, "step_size_up": 2})";
    const std::vector<Case> table = {
        {R"("lr": 0.02, "adamw_lr": 0.008)", step, 0.005, 0.002},
        {R"("lr": 0, "adamw_lr": 0.008)", step, 0, 0.002},
        {R"("lr": 0.02, "adamw_lr": 0)", step, 0.005, 0},
        {R"("lr": 0.02, "adamw_lr": 0.008)", cycle, 1, 0.4},
    };
    for (const Case& c : table) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            test::Problem problem;
            const auto optimizer = problem.optimizer(concat(R"({"type": "Muon", )", c.muon, "}"));
            ASSERT_EQ(optimizer->groups().size(), 2u);
            // As the core does.
            ParamGroup &matrices = optimizer->groups()[0], &vectors = optimizer->groups()[1];
            if (matrices.initial_lr > 0) vectors.followed_lr = matrices.initial_lr;
            run.optimizers()[""] = optimizer;
            const Length length{.epochs = 4, .iters = 1};
            place(run, length);
            const auto hook = scheduler_hook(R"("scheduler": )" + c.schedule);
            hook->before_run(run);
            train(*hook, run, length, 3);
            EXPECT_NEAR(matrices.lr, c.matrix, 1e-15) << c.muon;
            EXPECT_NEAR(vectors.lr, c.vector, 1e-15) << c.muon;
            EXPECT_EQ(optimizer->scheduled_lr(), matrices.lr);
        });
        EXPECT_EQ(errors[0], "");
    }
}

TEST_F(ScheduleReports, FollowTheMonitorsNameOnAPlateau) {
    struct Case {
        const char* monitor;
        const char* mode;
        double rate_after_a_rise;
    };
    const std::vector<Case> table = {
        {"loss", "", 0.1},
        {"top1", "", 1},
        {"perplexity", "", 0.1},
        {"miou", "", 1},
        {"top1", R"(, "mode": "min")", 0.1},
        {"loss", R"(, "mode": "max")", 1},
    };
    for (const Case& c : table) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.optimizers()[""] = std::make_shared<OneRate>();
            place(run, {});
            const auto hook = scheduler_hook(concat(
                R"("monitor": ")", c.monitor,
                R"(", "scheduler": {"type": "ReduceLROnPlateau", "patience": 0)", c.mode, "}"));
            hook->before_run(run);
            for (const double value : {1.0, 2.0}) {
                train(*hook, run, {}, 1);
                run.published[Phase::val] = {{c.monitor, value}};
                hook->after_val_epoch(run);
                hook->after_results(run, Phase::val);
            }
            train(*hook, run, {}, 1);
            EXPECT_NEAR(run.optimizers()[""]->groups()[0].lr, c.rate_after_a_rise, 1e-15)
                << c.monitor << c.mode;
        });
        EXPECT_EQ(errors[0], "");
    }
}

}  // namespace
}  // namespace ailab
