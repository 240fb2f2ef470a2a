// What MetricHook takes targets of the output's shape for: what the loss takes them for.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

class TrainedRun final : public FakeRun {
  public:
    using FakeRun::FakeRun;
    Loss* loss() override { return trained.get(); }
    std::shared_ptr<Loss> trained;
};

class MetricTasks : public HookTest {
  protected:
    /// The metric `m` of one batch, in a run with that loss.
    double value(const std::string& loss, const json& metric, const Tensor& output,
                 const Tensor& target) {
        double result = 0;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            TrainedRun run(comm, folder_);
            run.trained = make<Loss>(loss);
            run.settings = from_json(concat(R"({"loss": )", loss, "}"), "test");
            const auto hook = make<Hook>(json{{"type", "MetricHook"}, {"m", metric}}.dump());
            hook->before_run(run);
            run.now.phase = Phase::val;
            run.batch() = Batch{{"output", output}, {"target", target}};
            run.batch().size = output.size(0);
            hook->after_val_iter(run);
            hook->after_val_epoch(run);
            result = run.published[Phase::val].at(0).second;
        });
        EXPECT_EQ(errors[0], "") << loss << metric;
        return result;
    }

    static Tensor tensor(const json& node) {
        return torch::tensor(node["values"].get<std::vector<double>>(), at::kDouble)
            .reshape(node["shape"].get<std::vector<int64_t>>());
    }
};

TEST_F(MetricTasks, FollowTheLossWhereEachSampleHappensToHaveOneLabel) {
    std::ifstream file(AILAB_REFERENCE "/metrics.json");
    const json reference = json::parse(file);
    const json& given = reference["data"]["one-hot classes"];
    const Tensor output = tensor(given["output"]), target = tensor(given["target"]);
    const std::vector<std::string> of_labels = {R"({"type": "BCEWithLogitsLoss"})",
                                                R"({"type": "BCELoss"})",
                                                R"({"type": "MultiLabelSoftMarginLoss"})",
                                                R"({"type": "FocalLoss", "activation": "sigmoid"})",
                                                R"({"type": "WeightedLoss", "losses": {
            "a": {"type": "BCEWithLogitsLoss"}, "b": {"type": "DiceLoss", "activation": "sigmoid"},
            "c": {"type": "MSELoss", "mapping": {"target": "other"}}}})"};
    const std::vector<std::string> of_classes = {
        R"({"type": "CrossEntropyLoss"})", R"({"type": "FocalLoss"})",
        R"({"type": "BCEWithLogitsLoss", "mapping": {"target": "other"}})",
        R"({"type": "WeightedLoss", "losses": {
            "a": {"type": "BCEWithLogitsLoss"}, "b": {"type": "CrossEntropyLoss"}}})"};
    // The reference's probabilities, as such a loss takes them.
    const auto fed = [&](const std::string& loss) {
        const bool of_scores = std::ranges::find(of_labels, loss) != of_labels.end() &&
                               loss.find("BCELoss") == std::string::npos;
        return of_scores ? output.logit() : output;
    };
    int compared = 0;
    for (const json& entry : reference["cases"]) {
        json metric = entry["metric"];
        const std::string task = metric.value("task", "");
        if (entry["data"] != "one-hot classes" || (task != "multilabel" && task != "multiclass"))
            continue;
        ++compared;
        const auto expected = entry["results"][""].get<double>();
        for (const std::string& loss : of_labels)
            EXPECT_NEAR(value(loss, metric, fed(loss), target), expected, 1e-9) << loss << metric;
        metric.erase("task");
        for (const std::string& loss : task == "multilabel" ? of_labels : of_classes) {
            const bool labels_only = metric["type"] == "CohenKappa" || metric.contains("topk");
            if (!labels_only)
                EXPECT_NEAR(value(loss, metric, fed(loss), target), expected, 1e-9)
                    << loss << metric;
        }
        // What a metric of no labels says does not depend on the loss.
        if (metric["type"] == "CohenKappa")
            EXPECT_NEAR(value(of_labels[0], metric, output, target), expected, 1e-9);
    }
    EXPECT_GE(compared, 6);
}

TEST_F(MetricTasks, FollowTheLossOfTheirOwnFields) {
    // One of two labels each; compared label by label half of them are right, as classes none.
    const Tensor output = torch::tensor({{-1.0, -2.0}, {-3.0, -2.0}}, at::kDouble);
    const Tensor target = torch::tensor({{0.0, 1.0}, {1.0, 0.0}}, at::kDouble);
    const json mapped = {{"type", "Accuracy"}, {"mapping", {{"target", "target"}}}};
    const std::string of_mapped =
        R"({"type": "BCEWithLogitsLoss", "mapping": {"target": "target"}})";
    EXPECT_EQ(value(of_mapped, mapped, output, target), 50);
    EXPECT_EQ(value(of_mapped, {{"type", "Accuracy"}}, output, target), 0);
    EXPECT_EQ(value(R"({"type": "BCEWithLogitsLoss"})", mapped, output, target), 0);
}

TEST_F(MetricTasks, StayAsTheShapesSayWhereTheLossCannotMeanThem) {
    const Tensor scores = torch::tensor({{0.1, 0.9}, {0.8, 0.2}, {0.3, 0.7}}, at::kDouble);
    const Tensor numbers = torch::tensor({1, 0, 0}, at::kLong);
    const json accuracy = {{"type", "Accuracy"}};
    const std::string loss = R"({"type": "BCEWithLogitsLoss"})";
    EXPECT_NEAR(value(loss, accuracy, scores, numbers), 200.0 / 3, 1e-9);
    const Tensor column = torch::tensor({{2.0}, {-1.0}, {0.2}}, at::kDouble);
    EXPECT_NEAR(value(loss, accuracy, column, numbers), 200.0 / 3, 1e-9);
    const Tensor maps = column.view({3, 1, 1, 1}).expand({3, 1, 2, 2}).contiguous();
    EXPECT_NEAR(value(loss, accuracy, maps, numbers.view({3, 1, 1}).expand({3, 2, 2}).contiguous()),
                200.0 / 3, 1e-9);
}

/// All outputs of an evaluation may happen to lie within 0 to 1 and be logits all the same: of four
/// samples that are yes all logits say yes, and as probabilities one does.
TEST_F(MetricTasks, TakeOutputsForWhatTheLossTakesThemFor) {
    const Tensor output = torch::tensor({0.1, 0.2, 0.3, 0.9}, at::kDouble);
    const Tensor target = torch::ones({4}, at::kDouble);
    const auto of_part = [](const char* part) {
        return concat(R"({"type": "WeightedLoss", "losses": {"a": )", part,
                      R"(, "b": {"type": "MSELoss", "mapping": {"target": "other"}}}})");
    };
    const struct {
        std::string loss, metric;
        double accuracy;
    } rows[] = {
        {R"({"type": "BCEWithLogitsLoss"})", "{}", 100},
        {R"({"type": "MultiLabelSoftMarginLoss"})", R"({"task": "binary"})", 100},
        {R"({"type": "FocalLoss", "activation": "sigmoid"})", "{}", 100},
        {of_part(R"({"type": "BCEWithLogitsLoss"})"), "{}", 25},  // the parts do not agree
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "BCEWithLogitsLoss"},
             "b": {"type": "FocalLoss", "activation": "sigmoid"}}})",
         "{}", 100},
        {R"({"type": "BCELoss"})", "{}", 25},
        {R"({"type": "PoissonNLLLoss"})", R"({"task": "binary"})", 25},  // it does not tell
        // What is given counts.
        {R"({"type": "BCEWithLogitsLoss"})", R"({"logits": false})", 25},
        {R"({"type": "BCELoss"})", R"({"logits": true})", 100},
        // The loss is of another output.
        {R"({"type": "BCEWithLogitsLoss", "mapping": {"output": "other"}})",
         R"({"task": "binary"})", 25},
        {R"({"type": "BCEWithLogitsLoss", "mapping": {"pred": "output"}})", R"({"task": "binary"})",
         100},
    };
    for (const auto& row : rows) {
        json metric = json::parse(row.metric);
        metric["type"] = "Accuracy";
        EXPECT_EQ(value(row.loss, metric, output, target), row.accuracy) << row.loss << metric;
    }
}

TEST_F(MetricTasks, OfOneLabelSayWhereTheyAreGivenSeveral) {
    const Tensor output = torch::tensor({{0.1, 0.9, 0.3}, {0.2, 0.8, 0.6}}, at::kDouble);
    const Tensor labels = torch::tensor({{1.0, 1.0, 0.0}, {0.0, 0.0, 0.0}}, at::kDouble);
    for (const char* type : {"CalibrationError", "CohenKappa"})
        for (const char* task : {"auto", "labels", "multilabel"}) {
            const auto metric = make<Metric>(json{{"type", type}, {"task", task}}.dump());
            const std::string told = error_of([&] { metric->update(output, labels); });
            EXPECT_NE(told.find("takes no multilabel targets"), std::string::npos) << told;
        }
}

TEST_F(MetricTasks, SoDoAllMetricsOfProbabilities) {
    const Tensor output = torch::tensor({{0.1, 0.9}, {0.2, 0.8}, {0.6, 0.7}}, at::kDouble);
    const Tensor labels = torch::tensor({{1.0, 1.0}, {0.0, 1.0}, {1.0, 0.0}}, at::kDouble);
    const Tensor numbers = torch::tensor({1, 0, 1}, at::kLong);
    for (const char* type : {"F1Score", "Precision", "Recall", "DiceScore", "JaccardIndex",
                             "AveragePrecision", "CalibrationError", "AUROC"}) {
        const bool classes = std::string(type) == "CalibrationError";
        const Tensor& target = classes ? numbers : labels;
        const std::string loss =
            classes ? R"({"type": "CrossEntropyLoss"})" : R"({"type": "BCEWithLogitsLoss"})";
        const double told = value(loss, {{"type", type}, {"logits", true}}, output, target);
        EXPECT_EQ(value(loss, {{"type", type}}, output, target), told) << type;
    }
}

}  // namespace
}  // namespace ailab
