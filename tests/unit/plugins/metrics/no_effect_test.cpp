// Settings of hooks that have no effect in the run at hand, or the opposite of what they say, are
// told before its first step; what can be no run's wish is refused with the configuration.
#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::FakeRun;
using test::LoggedHookTest;
using test::make;

struct OneTenth final : Optimizer {
    OneTenth() { add_group({.lr = 0.1, .initial_lr = 0.1}); }
    double default_lr() const override { return 0.1; }
    void step(const Tensor&, const Tensor&) override {}
};

class FortyTwoSamples final : public Dataset {
  public:
    int64_t size() const override { return 42; }
    Sample get(int64_t, const SampleContext&) const override { return {}; }
};

class SettingsWithoutEffect : public LoggedHookTest {
  protected:
    /// By default 10 epochs of 10 iterations, each a step, of batches of 4.
    struct Length {
        int64_t epochs = 10, iterations = 100, steps = 100;
        std::string config = "{}";
        bool dry = false;
    };
    /// What the hook says at the start of such a run, warnings alone.
    std::string said_by(const std::string& hook, const Length& length) {
        struct DryRun final : FakeRun {
            using FakeRun::FakeRun;
            bool dry_run() const override { return dry; }
            bool dry = false;
        };
        said_.clear();
        const auto errors = test::run_ranks(1, [&](test::ThreadComm& comm) {
            DryRun run(comm, folder_);
            const FortyTwoSamples samples;
            run.dry = length.dry;
            run.training = &samples;
            run.settings = from_json(length.config, "config");
            run.optimizers()[""] = std::make_shared<OneTenth>();
            run.now.total_epochs = length.epochs;
            run.now.total_train_iters = length.iterations;
            run.now.total_steps = length.steps;
            make<Hook>(hook)->before_run(run);
        });
        EXPECT_EQ(errors[0], "") << hook;
        std::string warnings;
        std::istringstream lines(said_);
        for (std::string line; std::getline(lines, line);)
            if (contains(line, "WARNING")) warnings += line + "\n";
        return warnings;
    }

    struct Case {
        std::string hook;
        Length length;
        std::string said;  // "": no warning
    };
    void check(const std::vector<Case>& table) {
        for (const Case& c : table) {
            const std::string warnings = said_by(c.hook, c.length);
            if (c.said.empty())
                EXPECT_EQ(warnings, "") << c.hook << c.length.config;
            else
                EXPECT_TRUE(contains(warnings, "test: " + c.said))
                    << c.hook << c.length.config << ": " << warnings;
        }
    }
};

/// Of a run that ends after 100 iterations.
const std::string by_iterations = R"({"workflow": [["train", 1], ["val", 1]]})";

TEST_F(SettingsWithoutEffect, CheckpointsThatAreNeverDue) {
    const auto hook = [](const std::string& options) {
        return R"({"type": "CheckpointHook", "save_last": false, )" + options + "}";
    };
    const std::string nothing = "CheckpointHook saves nothing: its interval is ";
    check({
        {hook(R"("interval": 10)"), {}, ""},
        {hook(R"("interval": 11)"), {}, nothing + "11 epochs, of which the run has 10, and"},
        {hook(R"("interval": 11)"), {.dry = true}, ""},
        {hook(R"("interval": 11, "save_best": "loss")"), {}, ""},
        {R"({"type": "CheckpointHook", "interval": 11})", {}, ""},  // the last one is saved
        {hook(R"("interval": 100, "by": "iter")"), {}, ""},
        {hook(R"("interval": 101, "by": "iter")"),
         {},
         nothing + "101 iterations, of which the run has 100, and"},
        // 42 samples in batches of 4: 10 or 11 iterations an epoch.
        {hook(R"("interval": 10)"), {.epochs = 0, .config = by_iterations}, ""},
        {hook(R"("interval": 11)"),
         {.epochs = 0, .config = by_iterations},
         nothing + "11 epochs, of which the run has at most 10, and"},
        {hook(R"("by": "epoch")"),
         {.epochs = 0, .iterations = 9, .config = by_iterations},
         nothing + "1 epochs, of which the run has at most 0, and"},
        {hook(R"("interval": 11)"),  // which only the loader knows
         {.epochs = 0, .config = R"({"workflow": [["train", 1]], "data": {"train_dataloader": {
                        "sampler": {"type": "InfiniteSampler", "samples_per_epoch": 8}}}})"},
         ""},
        {hook(R"("interval": 4)"),
         {.epochs = 0, .config = R"({"workflow": [{"phase": "train", "iters": 25}, ["val", 1]]})"},
         ""},
        {hook(R"("interval": 5)"),
         {.epochs = 0, .config = R"({"workflow": [{"phase": "train", "iters": 25}, ["val", 1]]})"},
         nothing + "5 epochs, of which the run has at most 4, and"},
    });
}

TEST_F(SettingsWithoutEffect, PatienceThatTheRunCannotWait) {
    const std::string stop = R"({"type": "EarlyStopHook", "monitor": "loss", "patience": )";
    const std::string never = "EarlyStopHook never ends the run: its patience is ";
    const std::string plateau =
        R"({"type": "LrSchedulerHook", "scheduler": {"type": "ReduceLROnPlateau", "patience": )";
    const std::string unchanged =
        "ReduceLROnPlateau never changes the learning rate: its patience is ";
    const std::string every_other =
        R"({"val_interval": 2, "workflow": [["train", 1], ["val", 1]]})";
    const std::string twice = R"({"workflow": [["train", 1], ["val", 2]]})";
    const std::string rounds = R"({"workflow": [["train", 3], ["val", 1]]})";
    check({
        {stop + "9}", {}, ""},
        {stop + "10}", {}, never + "10, and there are at most 10 evaluations of val"},
        {stop + "10}", {.config = twice}, ""},
        {stop + "4}", {.config = every_other}, ""},
        {stop + "5}",
         {.config = every_other},
         never + "5, and there are at most 5 evaluations of val"},
        {stop + "3}", {.config = rounds}, ""},
        {stop + "4}", {.config = rounds}, never + "4, and there are at most 4 evaluations of val"},
        {stop + R"(10, "phase": "train"})",
         {},
         never + "10, and there are at most 10 evaluations of train"},
        {stop + "11}", {.epochs = 0, .config = by_iterations}, never + "11"},
        {stop + "10}", {.epochs = 0, .config = by_iterations}, ""},  // the last round may be cut
        {R"({"type": "EarlyStopHook", "monitor": "loss"})",
         {.epochs = 3},
         never + "5, and there are at most 3"},
        {plateau + "8}}", {}, ""},
        {plateau + "9}}", {}, unchanged + "9, and there are at most 10 evaluations of val"},
        {plateau + "9}}", {.config = twice}, ""},
        {plateau + "9}}", {.epochs = 1}, ""},  // hardly meant to train to the end
    });
}

TEST_F(SettingsWithoutEffect, AveragesThatNeverBeginOrMove) {
    const std::string ema = R"({"type": "EMAHook", )";
    check({
        {ema + R"("begin": 99})", {}, ""},
        {ema + R"("begin": 100})",
         {},
         "EMAHook averages nothing: it begins after 100 optimizer steps, and the run has 100."},
        {ema + R"("update_every": 100})", {}, ""},
        {ema + R"("update_every": 101})",
         {},
         "EMAHook never updates its average: update_every is 101 optimizer steps, and the run has "
         "100, so val, test and what is exported have the weights of step 0."},
        {ema + R"("update_every": 40, "begin": 79})", {}, ""},
        {ema + R"("update_every": 40, "begin": 80})", {}, "EMAHook never updates its average"},
        {ema + R"("begin": 100})", {.steps = 0}, ""},  // not known
    });
}

TEST_F(SettingsWithoutEffect, SchedulesThatChangeNothing) {
    const auto hook = [](const std::string& scheduler, const std::string& more = "") {
        return R"({"type": "LrSchedulerHook", "scheduler": )" + scheduler + more + "}";
    };
    const std::string same = " gives the same learning rate, 0.1, in the whole run, of 10 epochs";
    check({
        {hook(R"({"type": "StepLR", "step_size": 9})"), {}, ""},
        {hook(R"({"type": "StepLR", "step_size": 10})"), {}, "StepLR" + same},
        {hook(R"({"type": "StepLR", "step_size": 10})", R"(, "by": "iter")"), {}, ""},
        {hook(R"({"type": "StepLR", "step_size": 100})", R"(, "by": "iter")"),
         {},
         "StepLR gives the same learning rate, 0.1, in the whole run, of 100 optimizer steps"},
        {hook(R"({"type": "StepLR", "step_size": 1, "gamma": 1})"), {}, "StepLR" + same},
        {hook(R"({"type": "MultiStepLR", "milestones": []})"), {}, "MultiStepLR" + same},
        {hook(R"({"type": "MultiStepLR", "milestones": [9, 20]})"), {}, ""},
        {hook(R"({"type": "LinearLR", "start_factor": 1})"), {}, "LinearLR" + same},
        {hook(R"({"type": "ConstantLR", "total_iters": 10})"),
         {},
         "ConstantLR gives the same learning rate, 0.0333333, in the whole run"},
        {hook(R"({"type": "PolynomialLR", "power": 0})"), {}, "PolynomialLR" + same},
        {hook(R"({"type": "CosineAnnealingLR"})"), {}, ""},
        {hook(R"({"type": "StepLR", "step_size": 10})"), {.epochs = 1}, ""},
        // A warm-up in front is what such a schedule may be there for.
        {hook(R"({"type": "ConstantLR", "factor": 1})",
              R"(, "warmup": "linear", "warmup_iters": 5)"),
         {},
         ""},
    });
}

TEST_F(SettingsWithoutEffect, RatesTheWrongWayRound) {
    const auto hook = [](const std::string& scheduler) {
        return R"({"type": "LrSchedulerHook", "scheduler": )" + scheduler + "}";
    };
    const std::string up = " lies above the learning rate 0.1: the rate goes up to it, not down";
    check({
        {hook(R"({"type": "CosineAnnealingLR", "eta_min": 0.01})"), {}, ""},
        {hook(R"({"type": "CosineAnnealingLR", "eta_min": 0.2})"),
         {},
         "CosineAnnealingLR: eta_min 0.2" + up},
        {hook(R"({"type": "CosineAnnealingWarmRestarts", "T_0": 2, "eta_min": 0.2})"),
         {},
         "CosineAnnealingWarmRestarts: eta_min 0.2" + up},
        {hook(R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 1, "eta_min": 0.2})"),
         {},
         "WarmupAndCosineAnnealingLR: eta_min 0.2" + up},
        {hook(R"({"type": "SequentialLR", "milestones": [2], "schedulers": [
                  {"type": "LinearLR"}, {"type": "CosineAnnealingLR", "eta_min": 0.2}]})"),
         {},
         "SequentialLR: eta_min 0.2" + up},
        {hook(R"({"type": "ReduceLROnPlateau", "patience": 1, "min_lr": 0.1})"),
         {},
         "ReduceLROnPlateau: min_lr 0.1 does not lie below the learning rate 0.1: the rate is "
         "never reduced"},
        {hook(R"({"type": "ReduceLROnPlateau", "patience": 1, "min_lr": 0.09})"), {}, ""},
        {hook(
             R"({"type": "CyclicLR", "max_lr": 0.05, "step_size_up": 2, "cycle_momentum": false})"),
         {},
         "CyclicLR: max_lr 0.05 lies below the learning rate 0.1, which is the lowest one without "
         "base_lr: the rate goes down to it, not up"},
        {hook(R"({"type": "CyclicLR", "max_lr": 0.05, "base_lr": 0.01, "step_size_up": 2,
                  "cycle_momentum": false})"),
         {},
         ""},
        {hook(R"({"type": "OneCycleLR", "max_lr": 0.05, "cycle_momentum": false})"), {}, ""},
    });
}

TEST(SettingsOfSchedules, ThatContradictEachOtherAreRefused) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"({"type": "CyclicLR", "base_lr": 0.1, "max_lr": 0.1})", ""},
        {R"({"type": "CyclicLR", "base_lr": 0.2, "max_lr": 0.1})",
         "base_lr, the lowest rate, is 0.2, above max_lr, which is 0.1"},
        {R"({"type": "CyclicLR", "max_lr": 1, "base_momentum": 0.95})",
         "base_momentum, the lowest one, is 0.95, above max_momentum, which is 0.9"},
        {R"({"type": "CyclicLR", "max_lr": 1, "base_momentum": 0.95, "cycle_momentum": false})",
         ""},
        {R"({"type": "OneCycleLR", "max_momentum": 0.8})",
         "base_momentum, the lowest one, is 0.85, above max_momentum, which is 0.8"},
        {R"({"type": "OneCycleLR", "div_factor": 0.04})", "must be at least 1, got 0.04"},
        {R"({"type": "OneCycleLR", "div_factor": 1, "final_div_factor": 1})", ""},
        {R"({"type": "OneCycleLR", "final_div_factor": 0.5})", ""},
        {R"({"type": "OneCycleLR", "final_div_factor": 0.0001})",
         "would lie above max_lr; final_div_factor is 1e-04"},
    };
    for (const auto& [schedule, text] : table) {
        const std::string found =
            error_of([&, &schedule = schedule] { (void)make<LrScheduler>(schedule); });
        if (text.empty())
            EXPECT_EQ(found, "") << schedule;
        else
            EXPECT_TRUE(contains(found, text)) << schedule << ": " << found;
    }
}

TEST(ListsOfModules, ThatAreEmptyAreRefusedWhereNothingWouldBeDone) {
    const auto complaint = [](const std::string& kind, const std::string& config) {
        return error_of([&] {
            Problems problems;
            (void)read_module(kind, from_json(config, "test"), kind, problems);
            problems.check();
        });
    };
    struct Row {
        std::string kind, config, text;
    };
    for (const Row& row : {
             Row{"hook", R"({"type": "MetricHook", "top1": {"type": "Accuracy", "phases": []}})",
                 "phases is empty, so it would never be computed. Leave phases out for val and "
                 "test, or remove the metric."},
             Row{"dataset", R"({"type": "TarShards", "shards": []})", "shards is empty"},
             Row{"dataset", R"({"type": "Concat", "datasets": []})", "datasets is empty"},
             Row{"dataset",
                 R"({"type": "Subset", "dataset": {"type": "Synthetic"}, "indices": []})",
                 "indices is empty"},
             Row{"transform", R"({"type": "RandomApply", "transforms": []})",
                 "transforms is empty, so it would change nothing"},
             Row{"loss", R"({"type": "WeightedLoss", "losses": {}})", "losses must name at least"},
             Row{"lr_scheduler", R"({"type": "SequentialLR", "schedulers": [], "milestones": []})",
                 "schedulers is empty"},
             Row{"lr_scheduler", R"({"type": "ChainedScheduler", "schedulers": []})",
                 "schedulers is empty"},
         }) {
        const std::string found = complaint(row.kind, row.config);
        EXPECT_TRUE(contains(found, row.text)) << row.config << ": " << found;
    }
}

}  // namespace
}  // namespace ailab
