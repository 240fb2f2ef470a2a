// MetricHook: which results there are, as the first batch tells, and targets that the loss ignores.
#include <cmath>

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
using Names = std::vector<std::string>;

Batch scored(int64_t classes, const Tensor& target) {
    Batch batch{{"output", torch::rand({target.size(0), classes})}, {"target", target}};
    batch.size = target.size(0);
    return batch;
}

class MetricResults : public HookTest {
  protected:
    static std::string problems_of(Hook& hook, Names others) {
        RunPlan plan{.phases = {Phase::val}};
        for (const std::string& name : hook.result_names(Phase::val)) others.push_back(name);
        plan.results[Phase::val] = std::move(others);
        Problems problems;
        hook.check_results(plan, problems);
        return error_of([&] { problems.check(); });
    }
};

TEST_F(MetricResults, AreKnownFromTheFirstBatch) {
    const std::vector<std::tuple<std::string, int64_t, Names, Names>> table = {
        {"", 4, {"top1", "top5"}, {"top1"}},
        {"", 7, {"top1", "top5"}, {"top1", "top5"}},
        {R"(, "auroc": {"type": "AUROC", "average": "none"})",
         3,
         {"auroc"},
         {"auroc_0", "auroc_1", "auroc_2"}},
        {R"(, "f1": {"type": "F1Score", "average": "none"}, "top1": {"type": "Accuracy"})",
         2,
         {"f1", "top1"},
         {"f1_0", "f1_1", "top1"}}};
    for (const auto& [metrics, classes, before, after] : table)
        on_one_rank([&, classes = classes, &metrics = metrics, &before = before,
                     &after = after](FakeRun& run) {
            const auto hook = make<Hook>(concat(R"({"type": "MetricHook")", metrics, "}"));
            EXPECT_EQ(hook->result_names(Phase::val), before);
            hook->before_run(run);
            hook->check_evaluation(run, Phase::val, scored(classes, torch::tensor({0, 1, 0, 1})));
            EXPECT_EQ(hook->result_names(Phase::val), after) << metrics;
        });
}

TEST_F(MetricResults, OfOneNameAreRefusedWithBothOwners) {
    const char* twice = R"({"type": "MetricHook", "f1": {"type": "F1Score", "average": "none"},
        "f1_1": {"type": "Accuracy"}})";
    on_one_rank([&](FakeRun& run) {
        const auto hook = make<Hook>(twice);
        EXPECT_EQ(problems_of(*hook, {"loss"}), "") << "only the data tell";
        hook->check_evaluation(run, Phase::val, scored(2, torch::tensor({0, 1})));
        EXPECT_TRUE(contains(problems_of(*hook, {"loss"}),
                             "metric f1_1 (Accuracy) and metric f1 (F1Score) both have a result "
                             "\"f1_1\"; choose another name for one of them"));
    });
    // Where nobody could look before: in the first iteration.
    for (const Phase phase : {Phase::train, Phase::val})
        on_one_rank([&](FakeRun& run) {
            const auto hook = make<Hook>(
                phase == Phase::val
                    ? twice
                    : R"({"type": "MetricHook", "f1_1": {"type": "Accuracy", "phases": ["train"]},
                          "f1": {"type": "F1Score", "average": "none", "phases": ["train"]}})");
            run.now.phase = phase;
            run.batch() = scored(2, torch::tensor({0, 1}));
            const std::string error = error_of([&] {
                phase == Phase::val ? hook->after_val_iter(run) : hook->after_train_iter(run);
            });
            EXPECT_TRUE(contains(error, "both have a result \"f1_1\"")) << error;
        });
    // A term of the loss.
    on_one_rank([&](FakeRun& run) {
        const auto hook = make<Hook>(R"({"type": "MetricHook",
            "part": {"type": "F1Score", "average": "none"}})");
        hook->check_evaluation(run, Phase::val, scored(2, torch::tensor({0, 1})));
        EXPECT_TRUE(
            contains(problems_of(*hook, {"loss", "part_0"}),
                     "metric part (F1Score): the phase val has a result \"part_0\" already"));
    });
}

TEST_F(MetricResults, LeaveOutWhatTheLossIgnores) {
    const struct {
        const char* loss;
        const char* metric;
        bool leaves_out;
    } table[] = {
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})", R"("type": "Accuracy")", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})", R"("type": "MeanIoU")", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})",
         R"("type": "F1Score", "average": "macro")", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})", R"("type": "AUROC")", true},
        {R"({"type": "OHEMCrossEntropyLoss", "ignore_index": 255})", R"("type": "Accuracy")", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})",
         R"("type": "Accuracy", "ignore_index": 254)", false},
        {R"({"type": "CrossEntropyLoss"})", R"("type": "Accuracy")", false},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255, "mapping": {"target": "mask"}})",
         R"("type": "Accuracy")", false},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255, "mapping": {"label": "target"}})",
         R"("type": "Accuracy", "mapping": {"target": "target"})", true},
        {R"({"type": "WeightedLoss", "losses": {
             "a": {"type": "CrossEntropyLoss", "ignore_index": 254},
             "b": {"type": "CrossEntropyLoss", "ignore_index": 255}}})",
         R"("type": "Accuracy")", false}};
    for (const auto& row : table)
        on_one_rank([&](FakeRun& run) {
            run.settings.set("loss", from_json(row.loss, "test"));
            const auto hook =
                make<Hook>(concat(R"({"type": "MetricHook", "m": {)", row.metric, "}}"));
            hook->before_run(run);
            const std::string error = error_of([&] {
                hook->check_evaluation(run, Phase::val, scored(3, torch::tensor({0, 1, 2, 255})));
            });
            EXPECT_EQ(error.empty(), row.leaves_out) << row.loss << row.metric << error;
        });
}

/// As torchmetrics' and PyTorch's means over nothing: never 0.
TEST_F(MetricResults, OfIgnoredTargetsAloneAreNaNWithOneWarning) {
    for (const char* metrics :
         {"", R"(, "m": {"type": "Accuracy"})", R"(, "m": {"type": "F1Score"})",
          R"(, "m": {"type": "MeanIoU"})", R"(, "m": {"type": "AUROC"})",
          R"(, "m": {"type": "CalibrationError"})", R"(, "m": {"type": "CohenKappa"})"})
        on_one_rank([&, metrics = metrics](FakeRun& run) {
            run.settings.set(
                "loss", from_json(R"({"type": "CrossEntropyLoss", "ignore_index": -100})", "test"));
            const auto hook = make<Hook>(concat(R"({"type": "MetricHook")", metrics, "}"));
            hook->before_run(run);
            run.now.phase = Phase::val;
            testing::internal::CaptureStderr();
            for (int epoch = 0; epoch < 2; ++epoch) {
                run.published.clear();
                run.batch() = scored(7, torch::full({4}, -100, at::kLong));
                hook->after_val_iter(run);
                hook->after_val_epoch(run);
                ASSERT_FALSE(run.published[Phase::val].empty()) << metrics;
                for (const auto& [name, value] : run.published[Phase::val])
                    EXPECT_TRUE(std::isnan(value)) << metrics << name << value;
            }
            const std::string log = testing::internal::GetCapturedStderr();
            const std::string text = "has no value (nan): none of the targets counts";
            EXPECT_TRUE(contains(log, "val: metric ") && contains(log, text.c_str())) << log;
            const size_t names = run.published[Phase::val].size();
            size_t warnings = 0;
            for (size_t at = log.find(text); at != log.npos; at = log.find(text, at + 1))
                ++warnings;
            EXPECT_EQ(warnings, names) << metrics;
        });
}

}  // namespace
}  // namespace ailab
