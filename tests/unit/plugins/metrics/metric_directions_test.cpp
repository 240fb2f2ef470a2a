// Which values of a result are better: what its metric says goes before its name, and a rule of the
// user's before both.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

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

TEST(MetricDirections, AreTorchmetrics) {
    std::ifstream file(AILAB_REFERENCE "/metric_directions.json");
    const auto reference = nlohmann::json::parse(file);
    ASSERT_GT(reference.size(), 20u);
    for (const auto& [type, greater] : reference.items()) {
        const bool needs_range =
            type == "PeakSignalNoiseRatio" || type == "StructuralSimilarityIndexMeasure";
        const auto metric = make<Metric>(
            concat(R"({"type": ")", type, "\"", needs_range ? R"(, "data_range": 1})" : "}"));
        std::optional<bool> expected;
        if (!greater.is_null()) expected = greater.get<bool>();
        // torchmetrics leaves this one open, since -1 is an agreement too, and its ranks' not.
        if (type == "PearsonCorrCoef") expected = true;
        EXPECT_EQ(metric->greater_is_better(), expected) << type;
    }
}

class MetricDirectionsTest : public HookTest {
  protected:
    /// With a metric of this type under a name that tells nothing, or the contrary.
    static RunPlan plan_with(const std::string& metrics, const std::vector<std::string>& terms) {
        const auto hook = make<Hook>(R"({"type": "MetricHook", )" + metrics + "}");
        RunPlan plan{.phases = {Phase::train, Phase::val}};
        plan.results[Phase::train] = {};
        plan.results[Phase::val] = terms;
        for (const std::string& term : terms) plan.greater_is_better[term] = false;
        for (const std::string& name : hook->result_names(Phase::val)) {
            plan.results[Phase::val].push_back(name);
            if (const auto greater = hook->greater_is_better(name))
                plan.greater_is_better[name] = *greater;
        }
        return plan;
    }
    /// What the hook says to the plan, and logs when the run begins.
    std::pair<std::string, std::string> start(Hook& hook, const RunPlan& plan) {
        Problems problems;
        hook.check(plan, problems);
        if (problems.size() > 0) return {error_of([&] { problems.check(); }), ""};
        std::string log;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            testing::internal::CaptureStderr();
            hook.before_run(run);
            log = testing::internal::GetCapturedStderr();
        });
        return {errors[0], log};
    }
    /// Whether patience 1 is used up by values that fall.
    bool ends_when_it_falls(const std::string& monitor, const RunPlan& plan) {
        const auto hook = make<Hook>(
            concat(R"({"type": "EarlyStopHook", "patience": 1, "monitor": )", monitor, "}"));
        EXPECT_EQ(start(*hook, plan).first, "") << monitor;
        bool ended = false;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.now.phase = Phase::val;
            const std::string name = monitor.substr(1, monitor.find('"', 1) - 1);
            for (const double value : {3, 2}) {
                run.published[Phase::val] = {{name, value}};
                hook->after_val_epoch(run);
            }
            ended = !run.stop_reason().empty();
        });
        EXPECT_EQ(errors[0], "");
        return ended;
    }
};

TEST_F(MetricDirectionsTest, GoBeforeTheName) {
    const RunPlan plan = plan_with(
        R"("my_err": {"type": "MeanAbsoluteError"}, "age": {"type": "MeanSquaredError"},
           "score": {"type": "MeanAbsoluteError"}, "miss_error": {"type": "F1Score"},
           "each": {"type": "F1Score", "average": "none", "num_classes": 2},
           "top1": {"type": "MeanMetric"})",
        {"loss", "dice"});
    const std::vector<std::pair<std::string, bool>> table = {
        {R"("my_err")", false},
        {R"("age")", false},
        {R"("score")", false},
        {R"("miss_error")", true},
        {R"("each_1")", true},
        {R"("top1")", true},   // which a mean does not tell
        {R"("dice")", false},  // a term of the loss
        {R"("age", "rule": "greater")", true}};
    for (const auto& [monitor, greater] : table)
        EXPECT_EQ(ends_when_it_falls(monitor, plan), greater) << monitor;
}

TEST_F(MetricDirectionsTest, AWrongRuleIsFollowedWithAWarning) {
    const RunPlan plan =
        plan_with(R"("age": {"type": "MeanAbsoluteError"}, "f1": {"type": "F1Score"})", {"loss"});
    const std::string plateau =
        R"({"type": "LrSchedulerHook", "monitor": "age", "scheduler": {"type": "ReduceLROnPlateau")";
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"({"type": "EarlyStopHook", "monitor": "age", "rule": "greater"})",
         "rule: greater is followed, but less of \"age\" is better, as its metric says"},
        {R"({"type": "CheckpointHook", "save_best": "f1", "rule": "less"})",
         "rule: less is followed, but more of \"f1\" is better, as its metric says"},
        {plateau + R"(, "mode": "max"}})",
         "the mode of ReduceLROnPlateau is followed, but less of \"age\" is better"},
        {R"({"type": "EarlyStopHook", "monitor": "age", "rule": "less"})", ""},
        {R"({"type": "CheckpointHook", "save_best": "f1"})", ""},
        {plateau + R"(, "mode": "min"}})", ""},
        {plateau + "}}", ""}};  // the name does not tell, and a mode is not needed
    for (const auto& [config, warning] : table) {
        const auto [error, log] = start(*make<Hook>(config), plan);
        EXPECT_EQ(error, "") << config;
        EXPECT_EQ(contains(log, "WARNING"), !warning.empty()) << config << log;
        EXPECT_TRUE(contains(log, warning.c_str())) << config << log;
    }
}

}  // namespace
}  // namespace ailab
