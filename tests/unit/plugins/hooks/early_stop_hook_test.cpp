#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<Hook> make_early_stop(const std::string& options) {
    return make<Hook>(R"({"type": "EarlyStopHook", )" + options + "}");
}

class EarlyStopHookTest : public HookTest {
  protected:
    void end_phase(Hook& hook, FakeRun& run, Phase phase, const std::string& name, double value) {
        run.now.phase = phase;
        run.published[phase] = {{name, value}};
        if (phase == Phase::train) hook.after_train_epoch(run);
        if (phase == Phase::val) hook.after_val_epoch(run);
        if (phase == Phase::test) hook.after_test_epoch(run);
    }
    /// After how many validations the run ends; 0: it does not.
    int64_t stops_after(const std::string& options, const std::string& name,
                        const std::vector<double>& values, std::string* reason = nullptr) {
        int64_t result = 0;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            const auto hook = make_early_stop(options);
            FakeRun run(comm, folder_);
            hook->before_run(run);
            for (size_t i = 0; i < values.size() && result == 0; ++i) {
                end_phase(*hook, run, Phase::val, name, values[i]);
                if (!run.stop_reason().empty()) result = int64_t(i) + 1;
            }
            if (reason) *reason = run.stop_reason();
        });
        EXPECT_EQ(errors[0], "");
        return result;
    }
};

TEST_F(EarlyStopHookTest, StopsWithoutImprovement) {
    const std::string two = R"("monitor": "loss", "patience": 2)";
    struct Case {
        std::string options;
        std::vector<double> values;
        int64_t expected;
    };
    const std::vector<Case> table = {
        {two, {3, 2, 1, 0.5, 0.4}, 0},
        {two, {3, 2, 2, 2}, 4},  // the same is no improvement
        {two, {3, 4, 2, 4, 4}, 5},
        {R"("monitor": "loss", "patience": 1)", {3, 2, 2.5}, 3},
        {R"("monitor": "loss")", {1, 2, 2, 2, 2, 2}, 6},  // the default is 5
        {R"("monitor": "loss")", {1, 2, 2, 2, 2}, 0},
        {two + R"(, "min_delta": 0.5)", {3, 2.9, 2.6}, 3},
        {two + R"(, "min_delta": 0.5)", {3, 2.9, 2.4, 2, 1.95}, 5},
        {two + R"(, "rule": "greater")", {1, 2, 3, 3, 2}, 5},
        {two, {3, nan, nan}, 3},
        {two, {nan, nan}, 2},
        {two, {nan, 1, nan, 0.5, nan, 0.25}, 0},
    };
    for (const Case& c : table)
        EXPECT_EQ(stops_after(c.options, "loss", c.values), c.expected)
            << c.options << testing::PrintToString(c.values);
}

TEST_F(EarlyStopHookTest, SaysWhy) {
    std::string reason;
    stops_after(R"("monitor": "loss", "patience": 2)", "loss", {0.5, 0.75, 0.625}, &reason);
    EXPECT_EQ(reason, "loss has not become better than 0.5 in 2 evaluations");
}

// Falling values: what is better when less never stops.
TEST_F(EarlyStopHookTest, TakesTheRuleFromTheName) {
    const std::vector<std::pair<std::string, bool>> less = {
        {"loss", true},
        {"val_loss", true},
        {"loss_cls", true},
        {"error", true},
        {"MeanSquaredError", true},
        {"top1_err", true},
        {"RMSE", true},
        {"mae", true},
        {"val.wer", true},
        {"perplexity", true},
        {"FID", true},
        {"hausdorff_distance", true},
        {"top1", false},
        {"accuracy", false},
        {"mAP", false},
        {"F1Score", false},
        {"miou", false},
        {"maestro", false},
        {"terrain", false},
        {"auroc", false},
    };
    for (const auto& [name, expected] : less)
        EXPECT_EQ(
            stops_after("\"patience\": 1, \"monitor\": \"" + name + "\"", name, {3, 2, 1}) == 0,
            expected)
            << name;
}

TEST_F(EarlyStopHookTest, SaysTheRule) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"("monitor": "top1")",
         "5 evaluations without improvement of val top1, greater is better by its name (rule sets "
         "it)"},
        {R"("monitor": "loss", "phase": "test")",
         "5 evaluations without improvement of test loss, less is better by its name (rule sets "
         "it)"},
        {R"("monitor": "loss", "rule": "greater")",
         "5 evaluations without improvement of val loss, greater is better"},
    };
    for (const auto& [options, expected] : table) {
        std::string line;
        log_through([&line](const std::string& text) { line += text; });
        stops_after(options, "loss", {});
        log_through({});
        EXPECT_TRUE(contains(line, expected)) << line;
    }
}

TEST_F(EarlyStopHookTest, FollowsOnePhase) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        const auto hook = make_early_stop(R"("monitor": "loss", "phase": "test", "patience": 1)");
        for (int i = 0; i < 3; ++i) {
            end_phase(*hook, run, Phase::train, "loss", 1);
            end_phase(*hook, run, Phase::val, "loss", 1);
        }
        end_phase(*hook, run, Phase::test, "loss", 1);
        EXPECT_EQ(run.stop_reason(), "");
        end_phase(*hook, run, Phase::test, "loss", 1);
        EXPECT_NE(run.stop_reason(), "");

        // A run that ends anyhow: its last epoch is not complete and may have no result.
        run.published.clear();
        EXPECT_NO_THROW(hook->after_test_epoch(run));
        FakeRun other(comm, folder_);
        EXPECT_EQ(error_of([&] { end_phase(*hook, other, Phase::test, "lass", 1); }),
                  "the phase test has no result \"loss\"; did you mean \"lass\"? It has: lass.");
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(EarlyStopHookTest, GoesOnCounting) {
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        const std::string options = R"("monitor": "loss", "patience": 3)";
        auto hook = make_early_stop(options);
        // Each value in a process of its own; before the first one the best is infinite.
        for (const double value : {2.0, 1.0, 1.5, 1.5, 1.5}) {
            EXPECT_EQ(run.stop_reason(), "");
            const State state = hook->save_state();
            hook = make_early_stop(options);
            hook->load_state(state);
            end_phase(*hook, run, Phase::val, "loss", value);
        }
        EXPECT_NE(run.stop_reason(), "");
        EXPECT_EQ(error_of([&] { hook->load_state({}); }),
                  "the saved state of EarlyStopHook has no number \"best\"");
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(EarlyStopHookTest, ChecksTheMonitor) {
    struct Case {
        std::string options;
        std::string expected;
    };
    const std::vector<Case> table = {
        {R"("monitor": "top1")", ""},
        {R"("monitor": "Top1")",
         "test: the phase val has no result \"Top1\"; did you mean \"top1\"? It has: loss, top1."},
        {R"("monitor": "loss", "phase": "train")", ""},  // not known
        {R"("monitor": "loss", "phase": "test")",
         "test: \"loss\" is watched in the phase test, which the workflow does not have. Add it, "
         "or "
         "name another phase."},
    };
    for (const Case& c : table) {
        Problems problems;
        make_early_stop(c.options)->check(
            {.phases = {Phase::train, Phase::val}, .results = {{Phase::val, {"loss", "top1"}}}},
            problems);
        EXPECT_EQ(error_of([&] { problems.check(); }), c.expected) << c.options;
    }
}

TEST_F(EarlyStopHookTest, ChecksItsOptions) {
    for (const char* bad :
         {R"("patience": 3)", R"("monitor": ["loss"])", R"("monitor": "loss", "rule": "more")",
          R"("monitor": "loss", "patience": 0)", R"("monitor": "loss", "min_delta": -1)",
          R"("monitor": "loss", "phase": "training")"})
        EXPECT_THROW(make_early_stop(bad), ConfigError) << bad;
    EXPECT_EQ(test::spec<Hook>(R"({"type": "EarlyStopHook", "monitor": "loss"})")
                  .config.write()
                  .find("monitor")
                  ->as_string(),
              "loss");
}

}  // namespace
}  // namespace ailab
