// Every metric against torchmetrics and scikit-learn (tests/reference/metrics.py), for any number
// of ranks and any batch size.
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/fake_run.hpp"
#include "plugins/test_device.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Results = std::vector<std::pair<std::string, double>>;

Tensor tensor(const json& node) {
    const auto type = node["type"].get<std::string>();
    const auto values = type == "integer"
                            ? torch::tensor(node["values"].get<std::vector<int64_t>>(), at::kLong)
                            : torch::tensor(node["values"].get<std::vector<double>>(),
                                            type == "float32" ? at::kFloat : at::kDouble);
    return values.reshape(node["shape"].get<std::vector<int64_t>>()).to(test::test_device());
}

struct Data {
    Tensor output;
    Tensor target;
};

class MetricsTest : public HookTest {
  protected:
    /// What MetricHook publishes of the metric `m` when `ranks` share the batches.
    Results evaluate(const json& metric, const Data& data, int ranks, int64_t batch_size) {
        const std::string config = json{{"type", "MetricHook"}, {"m", metric}}.dump();
        std::vector<std::shared_ptr<Hook>> hooks;
        for (int r = 0; r < ranks; ++r) hooks.push_back(make<Hook>(config));
        std::vector<Results> results(static_cast<size_t>(ranks));
        const auto errors = run_ranks(ranks, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.now.phase = Phase::val;
            Hook& hook = *hooks[size_t(comm.rank())];
            const int64_t n = data.output.size(0);
            for (int64_t begin = 0; begin < n; begin += batch_size * ranks) {
                const int64_t mine = begin + batch_size * comm.rank();
                run.batch() = Batch();
                if (mine < n) {
                    const int64_t end = std::min(n, mine + batch_size);
                    run.batch() = Batch{{"output", data.output.slice(0, mine, end)},
                                        {"target", data.target.slice(0, mine, end)}};
                    run.batch().size = end - mine;
                }
                hook.after_val_iter(run);
            }
            hook.after_val_epoch(run);
            results[size_t(comm.rank())] = run.published[Phase::val];
        });
        for (const std::string& error : errors) EXPECT_EQ(error, "") << config;
        for (const Results& other : results) EXPECT_TRUE(same_bits(results[0], other)) << config;
        return results[0];
    }

    static bool same_bits(const Results& a, const Results& b) {
        const auto same = [](const auto& x, const auto& y) {
            return x.first == y.first &&
                   std::bit_cast<uint64_t>(x.second) == std::bit_cast<uint64_t>(y.second);
        };
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
    }

    static void expect_near(const Results& results, const Results& expected, double tolerance,
                            const std::string& what) {
        ASSERT_EQ(results.size(), expected.size()) << what;
        for (size_t i = 0; i < results.size(); ++i) {
            EXPECT_EQ(results[i].first, expected[i].first) << what;
            const double value = results[i].second, other = expected[i].second;
            if (std::isnan(other))
                EXPECT_TRUE(std::isnan(value)) << what << ": " << results[i].first;
            else
                EXPECT_NEAR(value, other, tolerance * std::max(1.0, std::abs(other)))
                    << what << ": " << results[i].first;
        }
    }

    static Results expected_results(const json& entry) {
        Results expected;
        for (const auto& [suffix, value] : entry["results"].items())
            expected.emplace_back(suffix.empty() ? "m" : "m_" + suffix,
                                  value.is_null() ? std::nan("") : value.get<double>());
        return expected;
    }
};

TEST_F(MetricsTest, AgreeWithTheReferenceForAnyRanksAndBatches) {
    std::ifstream file(AILAB_REFERENCE "/metrics.json");
    const json reference = json::parse(file);
    ASSERT_GT(reference["cases"].size(), 400u);
    for (const json& entry : reference["cases"]) {
        const json& given = reference["data"][entry["data"].get<std::string>()];
        const Data data{tensor(given["output"]), tensor(given["target"])};
        const std::string what = entry["metric"].dump() + " of " + entry["data"].dump();
        const Results whole = evaluate(entry["metric"], data, 1, data.output.size(0));
        expect_near(whole, expected_results(entry), 1e-9, what);
        // With batches of 3 some ranks have none in the last round; with batches of all but one
        // sample, ranks 2 and 3 have none at all.
        for (const int64_t batch_size : {int64_t{3}, data.output.size(0) - 1}) {
            const Results alone = evaluate(entry["metric"], data, 1, batch_size);
            expect_near(alone, whole, 1e-12, what);
            for (const int ranks : {2, 3, 4})
                EXPECT_TRUE(same_bits(evaluate(entry["metric"], data, ranks, batch_size), alone))
                    << what << " on " << ranks << " ranks, batches of " << batch_size;
        }
        if (testing::Test::HasFailure()) FAIL() << what;  // one case says enough
    }
}

TEST_F(MetricsTest, NameTheirResultsBeforeTheRun) {
    std::ifstream file(AILAB_REFERENCE "/metrics.json");
    const json reference = json::parse(file);
    for (const json& entry : reference["cases"]) {
        const json& metric = entry["metric"];
        const auto hook = make<Hook>(json{{"type", "MetricHook"}, {"m", metric}}.dump());
        std::vector<std::string> names;
        for (const auto& [name, value] : expected_results(entry)) names.push_back(name);
        const bool known = metric.contains("num_classes") || names.size() == 1 ||
                           metric.value("task", "") == "binary";
        EXPECT_EQ(hook->result_names(Phase::val), known ? names : std::vector<std::string>{"m"})
            << metric;
    }
}

TEST_F(MetricsTest, DoNotDependOnTheNumberOfThreads) {
    torch::manual_seed(3);
    // More elements than LibTorch adds up on one thread.
    const Data data{torch::randn({100000}, at::kDouble), torch::randn({100000}, at::kDouble)};
    const Data images{torch::rand({1, 3, 120, 130}), torch::rand({1, 3, 120, 130})};
    const std::vector<std::pair<json, const Data*>> table = {
        {{{"type", "MeanSquaredError"}}, &data},
        {{{"type", "R2Score"}}, &data},
        {{{"type", "StructuralSimilarityIndexMeasure"}, {"data_range", 1}}, &images},
        {{{"type", "PeakSignalNoiseRatio"}, {"data_range", 1}}, &images}};
    const int before = at::get_num_threads();
    for (const auto& [metric, given] : table) {
        std::vector<Results> results;
        for (const int threads : {1, 2, 3}) {
            at::set_num_threads(threads);
            const auto made = make<Metric>(metric.dump());
            made->update(given->output, given->target);
            results.push_back({{"", made->compute(made->states()).at("")}});
        }
        at::set_num_threads(before);
        EXPECT_TRUE(same_bits(results[0], results[1])) << metric;
        EXPECT_TRUE(same_bits(results[0], results[2])) << metric;
    }
}

TEST_F(MetricsTest, OfFloat32AreThoseOfTheSameNumbers) {
    torch::manual_seed(5);
    const Tensor output = torch::rand({6, 3, 20, 20}), target = torch::rand({6, 3, 20, 20});
    for (const json& metric :
         {json{{"type", "MeanSquaredError"}}, json{{"type", "MeanAbsoluteError"}},
          json{{"type", "PeakSignalNoiseRatio"}, {"data_range", 1}},
          json{{"type", "StructuralSimilarityIndexMeasure"}, {"data_range", 1}}}) {
        const Results narrow = evaluate(metric, {output, target}, 1, 2);
        const Results wide =
            evaluate(metric, {output.to(at::kDouble), target.to(at::kDouble)}, 1, 2);
        EXPECT_TRUE(same_bits(narrow, wide)) << metric;
    }
}

TEST_F(MetricsTest, OfEqualImagesAreTheBest) {
    const Tensor image = torch::rand({2, 3, 16, 16});
    EXPECT_EQ(evaluate({{"type", "PeakSignalNoiseRatio"}, {"data_range", 1}}, {image, image}, 1, 1),
              (Results{{"m", INFINITY}}));
    const Results similarity = evaluate(
        {{"type", "StructuralSimilarityIndexMeasure"}, {"data_range", 1}}, {image, image}, 1, 1);
    EXPECT_NEAR(similarity[0].second, 1, 1e-12);
}

TEST_F(MetricsTest, R2OfConstantTargets) {
    const Tensor constant = torch::full({4}, 0.1, at::kDouble);
    const auto r2 = [&](const Tensor& output) {
        return evaluate({{"type", "R2Score"}}, {output, constant}, 1, 4)[0].second;
    };
    EXPECT_EQ(r2(constant), 1);
    EXPECT_EQ(r2(constant + 1), 0);
}

TEST_F(MetricsTest, RankingOfNaNIsNaN) {
    const Tensor output = torch::tensor({0.1, std::nan(""), 0.3}),
                 target = torch::tensor({0, 1, 1});
    for (const char* type : {"AUROC", "AveragePrecision"})
        EXPECT_TRUE(std::isnan(evaluate({{"type", type}}, {output, target}, 1, 3)[0].second));
}

TEST_F(MetricsTest, RankingDoesNotDependOnTheOrder) {
    torch::manual_seed(1);
    const Tensor output = (torch::rand({500}, at::kDouble) * 20).round() / 20;
    const Tensor target = torch::rand({500}).lt(0.3).to(at::kLong);
    const Tensor order = torch::randperm(500);
    for (const char* type : {"AUROC", "AveragePrecision"})
        EXPECT_TRUE(same_bits(
            evaluate({{"type", type}}, {output, target}, 1, 500),
            evaluate({{"type", type}}, {output.index({order}), target.index({order})}, 1, 500)));
}

TEST_F(MetricsTest, MeanOfANumberWeighsItByItsBatch) {
    const auto metric = make<Metric>(R"({"type": "MeanMetric"})");
    for (const auto& [value, size] : {std::pair{1.0, 3}, std::pair{5.0, 1}}) {
        Batch batch{{"value", torch::tensor(value, at::kDouble)}};
        batch.size = size;
        metric->update_batch(batch);
    }
    EXPECT_EQ(metric->compute(metric->states()).at(""), 2);
}

TEST_F(MetricsTest, OfNothingAreUnknown) {
    for (const char* config : {R"({"type": "Accuracy"})",
                               R"({"type": "Precision"})",
                               R"({"type": "Recall"})",
                               R"({"type": "F1Score"})",
                               R"({"type": "ConfusionMatrix"})",
                               R"({"type": "CohenKappa"})",
                               R"({"type": "AUROC"})",
                               R"({"type": "AveragePrecision"})",
                               R"({"type": "JaccardIndex"})",
                               R"({"type": "MeanIoU"})",
                               R"({"type": "DiceScore"})",
                               R"({"type": "MeanAbsoluteError"})",
                               R"({"type": "MeanSquaredError"})",
                               R"({"type": "RootMeanSquaredError"})",
                               R"({"type": "R2Score"})",
                               R"({"type": "MeanMetric", "mapping": {"value": "output"}})",
                               R"({"type": "MeanAbsolutePercentageError"})",
                               R"({"type": "PearsonCorrCoef"})",
                               R"({"type": "SpearmanCorrCoef"})",
                               R"({"type": "CalibrationError"})",
                               R"({"type": "PeakSignalNoiseRatio", "data_range": 1})",
                               R"({"type": "StructuralSimilarityIndexMeasure", "data_range": 1})",
                               R"({"type": "Perplexity"})"}) {
        const Results results =
            evaluate(json::parse(config), {torch::empty({0}), torch::empty({0})}, 2, 1);
        ASSERT_EQ(results.size(), 1u) << config;
        EXPECT_EQ(results[0].first, "m");
        EXPECT_TRUE(std::isnan(results[0].second)) << config;
    }
}

/// All targets are left out: as good as no samples.
TEST_F(MetricsTest, OfIgnoredTargetsOnlyAreUnknown) {
    const Data data{torch::rand({4, 3}), torch::full({4}, 255, at::kLong)};
    for (const char* type :
         {"Accuracy", "Precision", "Recall", "F1Score", "CohenKappa", "AUROC", "AveragePrecision",
          "CalibrationError", "JaccardIndex", "MeanIoU", "DiceScore", "Perplexity"})
        for (const auto& [name, value] :
             evaluate({{"type", type}, {"ignore_index", 255}}, data, 1, 2))
            EXPECT_TRUE(std::isnan(value)) << type;
}

struct Refused {
    std::string metric;
    Tensor output;
    Tensor target;
    std::vector<std::string> said;
};

TEST_F(MetricsTest, RefuseWhatDoesNotFit) {
    const auto real = [](at::IntArrayRef shape) { return torch::rand(shape); };
    const auto whole = [](at::IntArrayRef shape) { return torch::zeros(shape, at::kLong); };
    const std::vector<Refused> table = {
        {R"({"type": "Precision"})", real({4, 3}), whole({5}), {"[4, 3]", "[5] Long"}},
        {R"({"type": "Precision"})", real({4, 3}), real({4}), {"[4, 3]", "[4] Float"}},
        {R"({"type": "Recall"})", real({4, 3, 2}), whole({4, 3}), {"[4, 3, 2]", "[4, 3]"}},
        {R"({"type": "F1Score", "num_classes": 5})",
         real({4, 3}),
         whole({4}),
         {"num_classes is 5", "3 classes"}},
        {R"({"type": "F1Score", "task": "multilabel", "num_classes": 5})",
         real({4, 3}),
         whole({4, 3}),
         {"num_classes is 5", "3 labels"}},
        {R"({"type": "F1Score", "task": "binary"})",
         real({4, 3}),
         whole({4}),
         {"binary", "[4, 3]"}},
        {R"({"type": "F1Score", "task": "multiclass"})",
         real({4, 3}),
         whole({4, 3}),
         {"multiclass", "[4, 3]"}},
        {R"({"type": "JaccardIndex"})", whole({4, 3}), whole({4, 3}), {"num_classes"}},
        {R"({"type": "MeanIoU"})",
         real({2, 3, 4, 4}),
         whole({2, 4, 5}),
         {"[2, 3, 4, 4]", "[2, 4, 5]"}},
        {R"({"type": "DiceScore", "include_background": false})",
         real({4}),
         whole({4}),
         {"include_background"}},
        {R"({"type": "ConfusionMatrix"})", real({4, 3}), whole({4, 3}), {"multilabel"}},
        {R"({"type": "ConfusionMatrix"})", real({4, 101}), whole({4}), {"100 classes"}},
        {R"({"type": "CohenKappa"})", real({4}), whole({3}), {"[4]", "[3]"}},
        {R"({"type": "AUROC", "num_classes": 3})", whole({4}), whole({4}), {"needs scores"}},
        {R"({"type": "AveragePrecision"})", real({4, 3}), whole({5}), {"[4, 3]", "[5]"}},
        {R"({"type": "MeanAbsoluteError"})", real({4}), real({4, 1}), {"[4]", "[4, 1]"}},
        {R"({"type": "MeanSquaredError"})", real({4, 2}), real({4, 3}), {"[4, 2]", "[4, 3]"}},
        {R"({"type": "RootMeanSquaredError"})", real({4, 2}), real({4}), {"[4, 2]", "[4]"}},
        {R"({"type": "R2Score"})", real({4, 2, 2}), real({4, 2, 2}), {"[4, 2, 2]"}},
        {R"({"type": "PeakSignalNoiseRatio", "data_range": 1})", real({4, 2}), real({4}), {"[4]"}},
        {R"({"type": "PeakSignalNoiseRatio", "data_range": 1, "dim": [2]})",
         real({4, 2}),
         real({4, 2}),
         {"dim names 2", "[4, 2]"}},
        {R"({"type": "StructuralSimilarityIndexMeasure", "data_range": 1})",
         real({2, 3, 5, 9}),
         real({2, 3, 5, 9}),
         {"[2, 3, 5, 9]", "5 pixels"}},
        {R"({"type": "StructuralSimilarityIndexMeasure", "data_range": 1})",
         real({20, 20}),
         real({20, 20}),
         {"[N, C, H, W]"}},
        {R"({"type": "Perplexity"})", real({4, 3, 7}), whole({4, 2}), {"[4, 3, 7]", "[4, 2]"}},
        {R"({"type": "Perplexity"})", real({4, 3, 7}), whole({4, 3}), {"set classes_last: true"}},
        {R"({"type": "Perplexity", "classes_last": true})",
         real({4, 7, 3}),
         whole({4, 3}),
         {"leave classes_last out"}},
        {R"({"type": "Accuracy"})", real({4, 3, 7}), whole({4, 3}), {"set classes_last: true"}},
        {R"({"type": "PearsonCorrCoef"})", real({4, 2, 2}), real({4, 2, 2}), {"[4, 2, 2]"}},
        {R"({"type": "SpearmanCorrCoef"})", real({4}), real({4, 1}), {"[4]", "[4, 1]"}},
        {R"({"type": "MeanAbsolutePercentageError"})", real({4}), real({3}), {"[4]", "[3]"}},
        {R"({"type": "CalibrationError"})", real({4, 3}), whole({4, 3}), {"multilabel"}},
        {R"({"type": "CalibrationError", "num_classes": 3})",
         whole({4}),
         whole({4}),
         {"needs scores"}},
        {R"({"type": "CalibrationError", "logits": false})",
         2 * real({4, 3}) + 1,
         whole({4}),
         {"4 samples lie outside of 0 to 1", "logits: true or auto"}},
        {R"({"type": "Perplexity"})", real({4, 7}), real({4}), {"Float"}},
        {R"({"type": "Accuracy", "topk": 2})",
         real({4}),
         whole({4}),
         {"topk is 2", "several classes"}},
    };
    for (const Refused& row : table) {
        const auto metric = make<Metric>(row.metric);
        const std::string error = error_of([&] { metric->update(row.output, row.target); });
        EXPECT_NE(error, "") << row.metric;
        for (const std::string& part : row.said)
            EXPECT_TRUE(test::contains(error, part)) << row.metric << "\n" << error;
    }
}

/// On another device looking at the numbers of each batch would wait for it: there the end of the
/// evaluation tells, from the same sums.
TEST_F(MetricsTest, RefuseTargetsThatAreNoClasses) {
    const Tensor output = torch::rand({4, 3}), target = torch::tensor({0, 3, -1, 2}, at::kLong);
    for (const char* type : {"Accuracy", "Precision", "Recall", "F1Score", "ConfusionMatrix",
                             "CohenKappa", "JaccardIndex", "MeanIoU", "DiceScore", "AUROC",
                             "AveragePrecision", "CalibrationError", "Perplexity"}) {
        const auto metric = make<Metric>(json{{"type", type}}.dump());
        const std::string at_once = error_of([&] { metric->update(output, target); });
        EXPECT_TRUE(test::contains(at_once, concat(type, ": 2 targets"))) << at_once;
        EXPECT_TRUE(test::contains(at_once, "ignore_index")) << at_once;
        if (std::string(type) == "Accuracy") continue;  // counts nothing then
        const std::string error = error_of([&] { metric->compute(metric->states()); });
        EXPECT_EQ(error, at_once);
    }
}

/// The distinct values of many ranks and batches decide together.
TEST_F(MetricsTest, DecideOnceAnEvaluation) {
    torch::manual_seed(2);
    // One batch of three holds logits outside of 0 to 1, another rank's does not.
    Tensor output = torch::rand({12, 4});
    output[7][2] = 5;
    const Tensor target = torch::randint(4, {12}, at::kLong);
    for (const char* type : {"AUROC", "AveragePrecision", "CalibrationError"}) {
        const json logits{{"type", type}, {"logits", true}}, decided{{"type", type}};
        EXPECT_TRUE(same_bits(evaluate(decided, {output, target}, 3, 2),
                              evaluate(logits, {output, target}, 1, 2)))
            << type;
    }
    // Targets of which one sample alone shows that they are labels.
    Tensor labels = torch::eye(4).index({target});
    labels[7] = torch::tensor({1.0, 1.0, 0.0, 0.0});
    for (const char* type : {"Accuracy", "F1Score", "JaccardIndex", "DiceScore", "AUROC"}) {
        const json named{{"type", type}, {"task", "multilabel"}}, decided{{"type", type}};
        EXPECT_TRUE(same_bits(evaluate(decided, {output, labels}, 3, 2),
                              evaluate(named, {output, labels}, 1, 2)))
            << type;
    }
}

TEST_F(MetricsTest, CorrelationOfWhatIsConstantOrNaN) {
    const auto value = [&](const char* type, const Tensor& output, int64_t batch_size) {
        return evaluate({{"type", type}}, {output, torch::arange(4).to(at::kDouble)}, 2,
                        batch_size)[0]
            .second;
    };
    const Tensor constant = torch::full({4}, 0.1f);
    for (const int64_t batch_size : {1, 2, 4})
        EXPECT_TRUE(std::isnan(value("PearsonCorrCoef", constant, batch_size))) << batch_size;
    EXPECT_EQ(value("SpearmanCorrCoef", constant, 2), 0) << "as torchmetrics";
    const Tensor broken = torch::tensor({0.0, std::nan(""), 1.0, 2.0});
    for (const char* type : {"PearsonCorrCoef", "SpearmanCorrCoef"})
        EXPECT_TRUE(std::isnan(value(type, broken, 2))) << type;
}

TEST_F(MetricsTest, RefuseABatchOfOtherClasses) {
    const auto metric = make<Metric>(R"({"type": "F1Score"})");
    metric->update(torch::rand({4, 3}), torch::zeros({4}, at::kLong));
    const std::string error = error_of([&] {
        metric->update(torch::rand({4, 5}), torch::zeros({4}, at::kLong));
    });
    EXPECT_TRUE(test::contains(error, "[3, 3]") && test::contains(error, "[3, 5]")) << error;
}

TEST_F(MetricsTest, RefuseOptions) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"({"type": "Accuracy", "topk": 0})", "topk"},
        {R"({"type": "Precision", "average": "median"})", "macro"},
        {R"({"type": "Recall", "num_classes": 0})", "num_classes"},
        {R"({"type": "F1Score", "task": "several"})", "multilabel"},
        {R"({"type": "ConfusionMatrix", "normalize": "rows"})", "pred"},
        {R"({"type": "CohenKappa", "weights": "cubic"})", "quadratic"},
        {R"({"type": "AUROC", "average": "micro"})", "macro"},
        {R"({"type": "AUROC", "logits": "maybe"})", "auto, true or false"},
        {R"({"type": "AveragePrecision", "logits": 1})", "auto, true or false"},
        {R"({"type": "Accuracy", "threshold": 0})", "0.5 is the logit 0"},
        {R"({"type": "F1Score", "threshold": 1.5, "logits": true})", "set logits: false"},
        {R"({"type": "CohenKappa", "logits": "maybe"})", "auto, true or false"},
        {R"({"type": "CalibrationError", "n_bins": 0})", "n_bins"},
        {R"({"type": "CalibrationError", "norm": "l3"})", "max"},
        {R"({"type": "DiceScore", "aggregation_level": "batch"})", "samplewise"},
        {R"({"type": "R2Score", "adjusted": -1})", "adjusted"},
        {R"({"type": "R2Score", "multioutput": "sum"})", "raw_values"},
        {R"({"type": "PeakSignalNoiseRatio"})", "data_range"},
        {R"({"type": "PeakSignalNoiseRatio", "data_range": 0})", "data_range"},
        {R"({"type": "PeakSignalNoiseRatio", "data_range": 1, "base": 1})", "base"},
        {R"({"type": "PeakSignalNoiseRatio", "data_range": 1, "dim": [0]})", "dim"},
        {R"({"type": "StructuralSimilarityIndexMeasure"})", "data_range"},
        {R"({"type": "StructuralSimilarityIndexMeasure", "data_range": 1, "kernel_size": 4})",
         "odd"},
        {R"({"type": "StructuralSimilarityIndexMeasure", "data_range": 1, "sigma": 0})", "sigma"},
    };
    for (const auto& [config, said] : table) {
        EXPECT_THROW(make<Metric>(config), ConfigError) << config;
        EXPECT_TRUE(test::contains(error_of([&, &config = config] { make<Metric>(config); }), said))
            << config;
    }
}

}  // namespace
}  // namespace ailab
