// Hooks that follow a result (CheckpointHook, EarlyStopHook, ReduceLROnPlateau): which of its
// values is better, and what of it a run that goes on takes over.
#include <algorithm>
#include <filesystem>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using FolderNames = std::vector<std::string>;
using Values = std::vector<double>;

// ---- which value is better

class FollowedResults : public HookTest {
  protected:
    static RunPlan plan(const std::string& result) {
        return {.phases = {Phase::train, Phase::val},
                .results = {{Phase::train, {}}, {Phase::val, {"loss", result}}}};
    }
    static std::string problem(Hook& hook, const RunPlan& plan) {
        Problems problems;
        hook.check(plan, problems);
        return error_of([&] { problems.check(); });
    }
    void in_a_run(const std::function<void(FakeRun&)>& work) {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            work(run);
        });
        EXPECT_EQ(errors[0], "");
    }
    static void validate(Hook& hook, FakeRun& run, const std::string& result, double value) {
        run.now.phase = Phase::val;
        run.published[Phase::val] = {{result, value}};
        hook.after_val_epoch(run);
        hook.after_results(run, Phase::val);
    }
    /// Whether a run with patience 1 is ended by values that fall.
    bool ends_when_it_falls(const std::string& result, const std::string& rule) {
        bool ended = false;
        in_a_run([&](FakeRun& run) {
            const auto hook = make<Hook>(concat(R"({"type": "EarlyStopHook", "patience": 1,
                "monitor": ")",
                                                result, "\"", rule, "}"));
            EXPECT_EQ(problem(*hook, plan(result)), "") << result;
            hook->before_run(run);
            for (const double value : {3, 2}) validate(*hook, run, result, value);
            ended = !run.stop_reason().empty();
        });
        return ended;
    }
};

TEST_F(FollowedResults, AreBetterAsTheRuleOrElseTheNameSays) {
    struct Case {
        std::string result;
        std::string rule;
        bool greater;
    };
    const std::string greater = R"(, "rule": "greater")", less = R"(, "rule": "less")";
    const std::vector<Case> table = {
        {"age", less, false},
        {"age", greater, true},
        {"top1", less, false},
        {"mae", greater, true},
        {"mae", "", false},
        {"nrmse", "", false},
        {"eer", "", false},
        {"val/lpips", "", false},
        {"hd95", "", false},
        {"top_1", "", true},
        {"acc1", "", true},
        {"mAP50", "", true},
        {"f1", "", true},
        {"r2", "", true},
        {"BLEU4", "", true},
        {"mIoU", "", true},
        {"iou_per_class", "", true},
        {"recall_at_5", "", true},
        {"error_of_the_score", "", false},
        // Types as names.
        {"JaccardIndex", "", true},
        {"MeanIoU", "", true},
        {"CohenKappa", "", true},
        {"PearsonCorrCoef", "", true},
        {"PeakSignalNoiseRatio", "", true},
        {"CalibrationError", "", false},
        {"Perplexity", "", false},
    };
    for (const Case& c : table)
        EXPECT_EQ(ends_when_it_falls(c.result, c.rule), c.greater) << c.result << c.rule;
}

TEST_F(FollowedResults, AreRefusedWhereNothingTellsWhichValueIsBetter) {
    const std::string expected =
        "test: the name of \"age\" does not tell whether a greater or a lesser value is better; "
        "say "
        "rule: greater or rule: less";
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"({"type": "EarlyStopHook", "monitor": "age"})", expected},
        {R"({"type": "CheckpointHook", "save_best": "age"})", expected},
        {R"({"type": "EarlyStopHook", "monitor": "age", "rule": "less"})", ""},
        {R"({"type": "CheckpointHook", "save_best": "age", "rule": "less"})", ""},
        {R"({"type": "EarlyStopHook", "monitor": "height"})",
         "test: the phase val has no result \"height\". It has: loss, age."},
    };
    for (const auto& [config, text] : table)
        EXPECT_EQ(problem(*make<Hook>(config), plan("age")), text) << config;
}

TEST(PlateausMode, IsRefusedWhereNothingTellsIt) {
    const auto untold = make<LrScheduler>(R"({"type": "ReduceLROnPlateau"})");
    EXPECT_TRUE(
        contains(error_of([&] { untold->set_length({10}); }), "say mode: min or mode: max"));
    const auto with_mode = make<LrScheduler>(R"({"type": "ReduceLROnPlateau", "mode": "max"})");
    EXPECT_NO_THROW(with_mode->set_length({10}));
    untold->set_greater_is_better(true);
    EXPECT_NO_THROW(untold->set_length({10}));
}

TEST_F(FollowedResults, TheTrainingsLossIsNone) {
    struct OwnStep final : Model {
        bool owns_step() const override { return true; }
    };
    in_a_run([&](FakeRun& run) {
        const auto hook =
            make<Hook>(R"({"type": "EarlyStopHook", "monitor": "loss", "phase": "train"})");
        EXPECT_EQ(problem(*hook, plan("top1")), "");
        EXPECT_EQ(
            error_of([&] { hook->before_run(run); }),
            "test: the phase train has no result \"loss\". The loss of the training is "
            "logged, and is no result: follow that of val, or a metric with phases: [train].");
        run.net = std::make_shared<OwnStep>();
        EXPECT_NO_THROW(hook->before_run(run)) << "its model may publish one";
    });
}

// ---- in a run that goes on

TEST_F(FollowedResults, EndARunThatHadBeenEndedBefore) {
    const std::string config = R"({"type": "EarlyStopHook", "monitor": "loss", "patience": )";
    State state;
    in_a_run([&](FakeRun& run) {
        const auto hook = make<Hook>(config + "2}");
        hook->before_run(run);
        for (const double value : {0.5, 0.75, 0.625}) validate(*hook, run, "loss", value);
        state = hook->save_state();
    });
    in_a_run([&](FakeRun& run) {
        const auto hook = make<Hook>(config + "2}");
        hook->load_state(state);
        hook->before_run(run);
        EXPECT_EQ(run.stop_reason(), "loss has not become better than 0.5 in 2 evaluations");
    });
    in_a_run([&](FakeRun& run) {
        const auto hook = make<Hook>(config + "3}");  // more patience
        hook->load_state(state);
        hook->before_run(run);
        EXPECT_EQ(run.stop_reason(), "");
        validate(*hook, run, "loss", 0.7);
        EXPECT_EQ(run.stop_reason(), "loss has not become better than 0.5 in 3 evaluations");
    });
}

TEST_F(FollowedResults, BeginAnewWithAnotherResultInEarlyStop) {
    const auto config = [](const std::string& result, const std::string& more) {
        return concat(R"({"type": "EarlyStopHook", "patience": 2, "monitor": ")", result, "\"",
                      more, "}");
    };
    State state;
    in_a_run([&](FakeRun& run) {
        const auto hook = make<Hook>(config("top1", ""));
        hook->before_run(run);
        for (const double value : {38.0, 37.0}) validate(*hook, run, "top1", value);
        state = hook->save_state();
    });
    struct Case {
        std::string result, more;
        bool ends;
    };
    for (const Case& c : {Case{"top1", "", true}, Case{"auroc", "", false},
                          Case{"top1", R"(, "rule": "less")", false}})
        in_a_run([&](FakeRun& run) {
            const auto hook = make<Hook>(config(c.result, c.more));
            hook->load_state(state);
            hook->before_run(run);
            validate(*hook, run, c.result, 0.4);  // worse than 38, and the first of its own
            EXPECT_EQ(!run.stop_reason().empty(), c.ends) << c.result << c.more;
        });
}

class BestCheckpoints : public FollowedResults {
  protected:
    static std::shared_ptr<Hook> keep(const std::string& result) {
        return make<Hook>(concat(R"({"type": "CheckpointHook", "interval": 100, "save_last": false,
                       "save_best": ")",
                                 result, "\"}"));
    }
    /// Epochs with these results; returns the state at the end.
    State train(Hook& hook, int64_t first, const std::string& result, const Values& values,
                const State* from = nullptr) {
        State state;
        in_a_run([&](FakeRun& run) {
            run.now.total_epochs = 100;
            if (from) {
                hook.load_state(*from);
                run.resumed = (folder_ / "checkpoints" / "epoch_1").string();
            }
            hook.before_run(run);
            for (size_t i = 0; i < values.size(); ++i) {
                run.now.epoch = first - 1 + int64_t(i);
                validate(hook, run, result, values[i]);
            }
            hook.after_run(run);
            state = hook.save_state();
        });
        return state;
    }
    FolderNames present() const {
        FolderNames names;
        for (const auto& entry : fs::directory_iterator(folder_ / "checkpoints"))
            names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
};

TEST_F(BestCheckpoints, AreFoldersOfTheirOwnWhateverTheResultsName) {
    train(*keep("acc/top-1 ü"), 1, "acc/top-1 ü", {50, 60});
    EXPECT_EQ(present(), (FolderNames{"best_acc_top-1 ü_epoch_2"}));
}

TEST_F(BestCheckpoints, OfAnotherResultWhoseNameBeginsAlikeStay) {
    const State state = train(*keep("loss_top1"), 1, "loss_top1", {2, 1});
    train(*keep("loss"), 3, "loss", {3, 2}, &state);
    EXPECT_EQ(present(), (FolderNames{"best_loss_epoch_4", "best_loss_top1_epoch_2"}));
}

TEST_F(BestCheckpoints, BeginAnewWithAnotherResult) {
    const State state = train(*keep("top1"), 1, "top1", {30, 38});
    train(*keep("auroc"), 3, "auroc", {0.52, 0.44}, &state);
    EXPECT_EQ(present(), (FolderNames{"best_auroc_epoch_3", "best_top1_epoch_2"}));
}

TEST_F(BestCheckpoints, GoOnWithTheSame) {
    State state = train(*keep("top1"), 1, "top1", {30, 38});
    train(*keep("top1"), 3, "top1", {37}, &state);
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_2"}));
    // Also of a checkpoint that does not say of which result its best is.
    std::erase_if(state.values.members(), [](const Member& m) { return m.key == "best_of"; });
    train(*keep("top1"), 3, "top1", {37, 39}, &state);
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_4"}));
    train(*keep("auroc"), 3, "auroc", {0.5}, &state);
    EXPECT_EQ(present(), (FolderNames{"best_auroc_epoch_3", "best_top1_epoch_4"}));
}

// A plateau of auroc, 0.3431 first, is not held against the best loss, 1.513.
TEST_F(FollowedResults, BeginAnewWithAnotherResultOnAPlateau) {
    const auto make_hook = [](const std::string& result, const std::string& mode) {
        return make<Hook>(concat(R"({"type": "LrSchedulerHook", "monitor": ")", result,
                                 R"(", "scheduler": {"type": "ReduceLROnPlateau", "patience": 1,
                                    "factor": 0.5, "mode": ")",
                                 mode, "\"}}"));
    };
    struct SingleRate final : Optimizer {
        SingleRate() { add_group({.lr = 1, .initial_lr = 1}); }
        double default_lr() const override { return 1; }
        void step(const Tensor&, const Tensor&) override {}
    };
    // The rates of the epochs before each of the results, and after the last one.
    const auto rates = [&](Hook& hook, FakeRun& run, const std::string& result,
                           const Values& values) {
        run.optimizers()[""] = std::make_shared<SingleRate>();
        Values all;
        const auto train = [&] {
            run.now.phase = Phase::train;
            hook.before_train_epoch(run);
            all.push_back(run.optimizers()[""]->groups()[0].lr);
            hook.after_train_epoch(run);
            ++run.now.epoch;
        };
        hook.before_run(run);
        for (const double value : values) {
            train();
            validate(hook, run, result, value);
        }
        train();
        return all;
    };
    State state;
    in_a_run([&](FakeRun& run) {
        const auto hook = make_hook("loss", "min");
        EXPECT_EQ(rates(*hook, run, "loss", {1.513, 1.6, 1.7, 1.8}), (Values{1, 1, 1, 0.5, 0.5}));
        state = hook->save_state();
    });
    in_a_run([&](FakeRun& run) {  // one bad value before, one now: half of the half
        const auto hook = make_hook("loss", "min");
        hook->load_state(state);
        EXPECT_EQ(rates(*hook, run, "loss", {1.9}), (Values{0.5, 0.25}));
    });
    in_a_run([&](FakeRun& run) {  // torch's with a fresh state: after two bad ones
        const auto hook = make_hook("auroc", "max");
        hook->load_state(state);
        EXPECT_EQ(rates(*hook, run, "auroc", {0.3431, 0.3, 0.2}), (Values{0.5, 0.5, 0.5, 0.25}));
    });
    in_a_run([&](FakeRun& run) {  // another rule alone
        const auto hook = make_hook("loss", "max");
        hook->load_state(state);
        EXPECT_EQ(rates(*hook, run, "loss", {1.3, 1.2, 1.1}), (Values{0.5, 0.5, 0.5, 0.25}));
    });
}

}  // namespace
}  // namespace ailab
